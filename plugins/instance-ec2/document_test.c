/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/cloud compares what becomes of documents with botocore's serializer, over all members of its model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "document.h"

static int read_text(const char *text, const struct instance_spec *spec, struct ec2_launch *ret, struct error *e)
{
        CLEAN_JSON struct json_document d = { 0 };
        assert_int_equal(json_parse("Properties", text, strlen(text), &d, e), 0);
        struct json_place top = json_top(&d, "Properties");
        return ec2_launch_read(&top, spec, "token-1", ret, e);
}

#define START "Action=RunInstances&Version=2016-11-15&ClientToken=token-1&MinCount=1&MaxCount=1"
#define REQUIRED "&MetadataOptions.HttpTokens=required"

static void documents_become_parameters(void **state)
{
        (void)state;
        static const struct {
                const char *text, *body;
        } rows[] = {
                { "{\"RunInstancesInput\":{}}", START REQUIRED },
                { "{\"RunInstancesInput\":{\"ImageId\":\"ami-1\",\"MinCount\":1,\"MaxCount\":1,\"KeyName\":null,\"SecurityGroupIds\":[\"sg-1\",\"sg 2\"]}}",
                  START "&ImageId=ami-1&SecurityGroupId.1=sg-1&SecurityGroupId.2=sg%202" REQUIRED },
                { "{\"RunInstancesInput\":{\"EbsOptimized\":true,\"BlockDeviceMappings\":[{\"DeviceName\":\"/dev/sda1\",\"Ebs\":{\"VolumeSize\":8,"
                  "\"Encrypted\":false}}],\"Placement\":{\"AvailabilityZone\":\"us-east-1a\"}}}",
                  START "&EbsOptimized=true&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1&BlockDeviceMapping.1.Ebs.VolumeSize=8"
                        "&BlockDeviceMapping.1.Ebs.Encrypted=false&Placement.AvailabilityZone=us-east-1a" REQUIRED },
                { "{\"RunInstancesInput\":{\"NetworkInterfaces\":[{\"DeviceIndex\":0,\"Groups\":[\"sg-1\"],\"Ipv6Addresses\":[{\"Ipv6Address\":\"::1\"}]}]}}",
                  START "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SecurityGroupId.1=sg-1&NetworkInterface.1.Ipv6Addresses.1.Ipv6Address="
                        "%3A%3A1" REQUIRED },
                { "{\"RunInstancesInput\":{\"MetadataOptions\":{\"HttpTokens\":\"optional\"}}}", START "&MetadataOptions.HttpTokens=optional" },
                { "{\"RunInstancesInput\":{\"LaunchTemplate\":{\"LaunchTemplateId\":\"lt-1\"}}}", START "&LaunchTemplate.LaunchTemplateId=lt-1" },
                { "{\"RunInstancesInput\":{\"UserData\":\"#!/bin/sh\\n\"}}", START "&UserData=IyEvYmluL3NoCg%3D%3D" REQUIRED },
                { "{\"RunInstancesInput\":{\"TagSpecifications\":[{\"ResourceType\":\"volume\",\"Tags\":[{\"Key\":\"a\",\"Value\":\"1\"}]},"
                  "{\"ResourceType\":\"instance\",\"Tags\":[{\"Key\":\"b\",\"Value\":\"2\"},{\"Key\":\"c\",\"Value\":\"2\"}]}]},\"Tags\":{\"c\":\"3\"}}",
                  START "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=1"
                        "&TagSpecification.2.ResourceType=instance&TagSpecification.2.Tag.1.Key=b&TagSpecification.2.Tag.1.Value=2"
                        "&TagSpecification.2.Tag.2.Key=c&TagSpecification.2.Tag.2.Value=3" REQUIRED },
        };
        const struct instance_spec none = { 0 };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
                struct error e = { 0 };
                if (read_text(rows[i].text, &none, &l, &e) < 0)
                        fail_msg("%s: %s", rows[i].text, e.cause);
                assert_string_equal(l.query.body.data, rows[i].body);
        }
}

static void a_document_that_cannot_be_meant_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *text, *id, *cause;
        } rows[] = {
                { "[]", "json.value", "expected an object" },
                { "{}", "json.value", "RunInstancesInput" },
                { "{\"RunInstancesInput\":[]}", "json.value", "expected an object" },
                { "{\"RunInstancesInput\":{\"ClientToken\":\"x\"}}", "json.value", "/RunInstancesInput/ClientToken: the plugin sets it" },
                { "{\"RunInstancesInput\":{\"DryRun\":true}}", "json.value", "the plugin sets it" },
                { "{\"RunInstancesInput\":{\"MaxCount\":2}}", "json.value", "must be 1" },
                { "{\"RunInstancesInput\":{\"SecurityGroupIds\":\"sg-1\"}}", "json.value", "must be a list" },
                { "{\"RunInstancesInput\":{\"BlockDeviceMappings\":{\"Ebs\":{}}}}", "json.value", "must be a list" },
                { "{\"RunInstancesInput\":{\"SecurityGroupIds\":[null]}}", "json.value", "no null" },
                { "{\"RunInstancesInput\":{\"SecurityGroupIds\":[[\"sg\"]]}}", "json.value", "no lists" },
                { "{\"RunInstancesInput\":{\"A&B\":\"1\"}}", "json.value", "no parameter" },
                { "{\"RunInstancesInput\":{\"Placement\":{\"a=b\":\"1\"}}}", "json.value", "no parameter" },
                { "{\"RunInstancesInput\":{\"Ipv6AddressCount\":1.5}}", "json.value", "whole numbers" },
                { "{\"RunInstancesInput\":{\"ImageId\":\"a\\u0000b\"}}", "json.value", "NUL" },
                { "{\"RunInstancesInput\":{\"TagSpecifications\":[{\"Tags\":[]}]}}", "json.value", "ResourceType" },
                { "{\"RunInstancesInput\":{},\"Tags\":{\"AWS:x\":\"1\"}}", "aws.tag", "EC2's own" },
                { "{\"RunInstancesInput\":{},\"AttachedVolumeIDs\":[\"vol-1;\"]}", "aws.volume", "vol-1;" },
        };
        const struct instance_spec none = { 0 };
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
                struct error e = { 0 };
                assert_int_equal(read_text(rows[i].text, &none, &l, &e), -EINVAL);
                assert_string_equal(e.id, rows[i].id);
                if (!strstr(e.cause, rows[i].cause))
                        fail_msg("%s: %s", rows[i].text, e.cause);
                assert_null(l.query.body.data);
        }
}

static void the_spec_gives_tags_init_and_identity(void **state)
{
        (void)state;
        CLEAN_INSTANCE_SPEC struct instance_spec s = { .init = xstrdup("echo hi"), .logical_id = xstrdup("10.0.0.7") };
        tags_set(&s.tags, TAG_GROUP, "web");
        CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
        assert_int_equal(read_text("{\"RunInstancesInput\":{\"UserData\":\"old\"},\"Tags\":{\"infrakit.group\":\"no\"}}", &s, &l, NULL), 0);
        assert_string_equal(l.query.body.data, START "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=infrakit.group"
                "&TagSpecification.1.Tag.1.Value=web&TagSpecification.1.Tag.2.Key=infrakit.logical_id&TagSpecification.1.Tag.2.Value=10.0.0.7"
                "&UserData=ZWNobyBoaQ%3D%3D&PrivateIpAddress=10.0.0.7" REQUIRED);
        ec2_launch_done(&l);
        assert_int_equal(read_text("{\"RunInstancesInput\":{\"NetworkInterfaces\":[{\"DeviceIndex\":0}]}}", &s, &l, NULL), 0);
        assert_non_null(strstr(l.query.body.data, "&NetworkInterface.1.PrivateIpAddress=10.0.0.7&"));
        ec2_launch_done(&l);
        assert_int_equal(read_text("{\"RunInstancesInput\":{\"PrivateIpAddress\":\"10.0.0.8\"}}", &s, &l, NULL), -EINVAL);
        assert_int_equal(read_text("{\"RunInstancesInput\":{\"NetworkInterfaces\":[{\"PrivateIpAddress\":\"10.0.0.8\"}]}}", &s, &l, NULL), -EINVAL);
        free(s.logical_id);
        s.logical_id = xstrdup("manager1");
        assert_int_equal(read_text("{\"RunInstancesInput\":{}}", &s, &l, NULL), 0);
        assert_null(strstr(l.query.body.data, "PrivateIpAddress"));
        assert_string_equal(tags_get(&l.tags, TAG_LOGICAL_ID), "manager1");
}

static void limits_of_ec2_are_known_beforehand(void **state)
{
        (void)state;
        CLEAN_INSTANCE_SPEC struct instance_spec s = { 0 };
        CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
        struct error e = { 0 };
        s.init = xalloc(EC2_USER_DATA_MAX + 2, 1);
        memset(s.init, 'x', EC2_USER_DATA_MAX);
        assert_int_equal(read_text("{\"RunInstancesInput\":{}}", &s, &l, &e), 0);
        ec2_launch_done(&l);
        s.init[EC2_USER_DATA_MAX] = 'x';
        assert_int_equal(read_text("{\"RunInstancesInput\":{}}", &s, &l, &e), -E2BIG);
        assert_string_equal(e.id, "aws.init");
        *s.init = '\0';
        for (int i = 0; i <= EC2_TAGS_MAX; i++) {
                CLEAN_FREE char *name = xprintf("t%d", i);
                tags_set(&s.tags, name, "1");
        }
        assert_int_equal(read_text("{\"RunInstancesInput\":{}}", &s, &l, &e), -EINVAL);
        assert_string_equal(e.id, "aws.tag");
}

static void any_token_becomes_one_that_ec2_takes(void **state)
{
        (void)state;
        static const char *const tokens[] = { "", "has blanks", "\xc3\xa9", "0123456789012345678901234567890123456789012345678901234567890123x" };
        CLEAN_JSON struct json_document d = { 0 };
        const struct instance_spec none = { 0 };
        assert_int_equal(json_parse("p", "{\"RunInstancesInput\":{}}", 24, &d, NULL), 0);
        struct json_place top = json_top(&d, "p");
        for (size_t i = 0; i < ELEMENTS(tokens); i++) {
                CLEAN_EC2_LAUNCH struct ec2_launch l = { 0 };
                assert_int_equal(ec2_launch_read(&top, &none, tokens[i], &l, NULL), 0);
                assert_int_equal(strlen(l.client_token), 64);
                assert_int_equal(strspn(l.client_token, "0123456789abcdef"), 64);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(documents_become_parameters),
                cmocka_unit_test(a_document_that_cannot_be_meant_is_refused),
                cmocka_unit_test(the_spec_gives_tags_init_and_identity),
                cmocka_unit_test(limits_of_ec2_are_known_beforehand),
                cmocka_unit_test(any_token_becomes_one_that_ec2_takes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
