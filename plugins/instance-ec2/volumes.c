/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "document.h"
#include "ec2.h"
#include "instances.h"

static const uint64_t start_usec = UINT64_C(300000000); /* an instance must run by then */

static int look(struct ec2 *c, const char *id, struct aws_answer *ret, struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        query_start(&q, "DescribeInstances", EC2_API_VERSION);
        query_add(&q, "InstanceId.1", id);
        return ec2_call_on_instance(c, &q, id, ret, e);
}

/* Volumes are attached to running instances. ret: the instance as it was seen then. */
static int wait_until_running(struct ec2 *c, const char *id, struct aws_answer *ret, struct error *e)
{
        struct backoff b = backoff_start(start_usec);
        for (;;) {
                struct aws_answer a = { 0 };
                int r = look(c, id, &a, e);
                if (r < 0)
                        return r;
                const char *state = xml_text(&a.xml, ec2_first_instance(&a.xml), "instanceState/name");
                if (state && text_equal(state, "running")) {
                        *ret = a;
                        return 0;
                }
                bool again = state && text_equal(state, "pending");
                if (!again)
                        (void)error_set(e, ECANCELED, "aws.ended", "%s is %s before its volumes were attached", id, state ? state : "gone");
                aws_answer_done(&a);
                if (!again)
                        return e->code;
                if (!backoff_wait(&b))
                        return error_set(e, ETIMEDOUT, "aws.volume", "%s does not run yet, and its volumes are to be attached", id);
        }
}

/* Whether a part of the instance's mapping, "ebs/volumeId" or "deviceName", has this value. */
static bool is_mapped(const struct xml_document *d, const char *path, const char *value)
{
        const struct xml_node *set = xml_find(d, ec2_first_instance(d), "blockDeviceMapping");
        for (const struct xml_node *n = set ? xml_first(set) : NULL; n; n = xml_next(set, n)) {
                const char *found = xml_text(d, n, path);
                if (found && text_equal(found, value))
                        return true;
        }
        return false;
}

static int attach_one(struct ec2 *c, const char *id, const char *volume, const char *device, struct error *e)
{
        CLEAN_QUERY struct query q = { 0 };
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        query_start(&q, "AttachVolume", EC2_API_VERSION);
        query_add(&q, "VolumeId", volume);
        query_add(&q, "InstanceId", id);
        query_add(&q, "Device", device);
        int r = ec2_call_on_instance(c, &q, id, &a, e);
        return r < 0 ? error_while(e, "attaching %s to %s", volume, id) : 0;
}

int ec2_attach(struct ec2 *c, const char *id, const struct strings *volumes, struct error *e)
{
        CLEAN_AWS_ANSWER struct aws_answer a = { 0 };
        char device[] = "/dev/sdf"; /* f to z are for those that are attached */
        int r = wait_until_running(c, id, &a, e);
        for (size_t i = 0; r == 0 && i < volumes->count; i++) {
                if (is_mapped(&a.xml, "ebs/volumeId", volumes->items[i]))
                        continue;
                while (device[7] <= 'z' && is_mapped(&a.xml, "deviceName", device))
                        device[7]++;
                if (device[7] > 'z')
                        return error_set(e, ENOSPC, "aws.volume", "%s has no name left for another volume", id);
                r = attach_one(c, id, volumes->items[i], device, e);
                device[7]++;
        }
        return r;
}
