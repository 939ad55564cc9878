/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What bulkhead-groupd answers beyond InfraKit's Group: the interface "Fleet", version 0.1.0, on the same socket (PLUGINS_DIR/group).
 *
 * Plan      {"Documents":[DOCUMENT...]}
 *        -> {"Token":"9f0c...","Pending":true,"Groups":[{"ID","Action":"create"|"update"|"none","Message":"Performing a rolling update on 3 instances",
 *            "Revision":4,"Size":{"Old":3,"New":5},"Roll":true,"Changes":[{"Path":"/Properties/Instance/Properties/Note","Old":"v1","New":"v2"}]}]}
 *        Path is a JSON pointer into the document; Old or New is absent where the member is new or gone. Revision is the one that is wanted now (0: none).
 *        A group of which the store has no document, but of which instances are found by their tags, is taken over: "Action":"update".
 * Apply     {"Documents":[...],"Token":"9f0c..."|null,"Reason":""} -> as Plan. With a token: exactly that plan, or "fleet.stale"
 * Status    {"ID":""|ID,"Instances":false}
 *        -> {"Leader":true,"Store":"...","Groups":[{"ID","Revision","GoodRevision","Size","Live","Good","Sick","Unknown","Current","Old","Provisioning",
 *            "Draining","Destroying","Roll":{"Phase":"none"|"canary"|"running"|"checkpoint"|"baking"|"paused"|"failed"|"back","Reason":"","Target":0},
 *            "Converged","CircuitOpen","RemediationStopped","DestroyingGroup","Freed","NextAttempt":SECONDS|null,"Plugin","Flavor",
 *            "Instances":[{"ID","LogicalID","Tags","Health":"good"|"bad"|"unknown","Phase","Current","Protected"}]}]}
 * Pause, Resume  {"ID","Reason"} -> {"ID"}
 * Undo      {"ID","Revision":0|N,"Reason"} -> {"ID","Revision":N,"Message":"..."}      0: the one before the current one
 * History   {"ID"} -> {"ID","Revisions":[{"Revision","Time":RFC3339,"Actor","Reason","Document":{...}}]}      newest first
 * Events    {"From":0,"Group":""|ID,"Max":100} -> {"Events":[{"Sequence","Time","Topic","Group","ID","Message"}],"Last":N}
 *        To follow: GET /events?topic=groups/ (all) or groups/ID/; Type is the event's topic ("roll/started"), Data is the event as above.
 * Audit     {"From":0,"Max":100} -> {"Entries":[{"Sequence","Time","UID","PID","Actor","Role","Method","Object","Reason","Outcome"}],"Last":N}
 *
 * Group.CommitGroup, DestroyGroup, SetSize and DestroyInstances take a "Reason" beside InfraKit's members.
 * Errors: "group.unknown" (no group of that ID), "group.protected", "group.not-leader" (its hint names the leader), "instance.missing", "fleet.stale",
 * "rpc.forbidden" (the caller's role does not reach).
 */
#pragma once
