#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of a file as a constant of C:  embed.py FILE NAME"""
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_bytes()
print("/* SPDX-License-Identifier: LGPL-2.1-or-later */")
body = ", ".join(str(b) for b in text + bytes(1))
print(f"extern const char {sys.argv[2]}[];\nconst char {sys.argv[2]}[] = {{ {body} }};")
