// SPDX-License-Identifier: MIT
// Where trampoline.S finds the fields of arch::trampoline::Data, and the selectors of its
// descriptor table. trampoline.cpp checks them.
#pragma once

#define TRAMPOLINE_ARRIVALS 0
#define TRAMPOLINE_OPEN 4
#define TRAMPOLINE_ROOT 8
#define TRAMPOLINE_EFER 12
#define TRAMPOLINE_GDT_REGISTER 16
#define TRAMPOLINE_PROTECTED_ENTRY 24
#define TRAMPOLINE_LONG_ENTRY 32
#define TRAMPOLINE_GDT 40

#define TRAMPOLINE_CODE_32 0x08
#define TRAMPOLINE_DATA 0x10
#define TRAMPOLINE_CODE_64 0x18
