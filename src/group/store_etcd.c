#include "group/store_internal.h"
int store_etcd_open(struct loop *loop, const struct store_options *o, const struct store_address *a, struct store **ret, struct error *e)
{ (void)loop;(void)o;(void)a;(void)ret; return error_set(e, ENOSYS, "store.address", "x"); }
