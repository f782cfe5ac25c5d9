// SPDX-License-Identifier: MIT
// Where assembly finds the fields of arch::CpuArea, the segment selectors, and a vector of our own.
// area.hpp checks the fields, descriptors.cpp the selectors.
#pragma once

#define CPU_SELF 0
#define CPU_KERNEL_STACK 8
#define CPU_USER_STACK 16
#define CPU_THREAD 24
#define CPU_NUMBER 32
#define CPU_USER_RETURN_WORK 36
#define CPU_GUARDED 39
#define CPU_SYSTEM_CALL_LIMIT 48
#define CPU_RUNTIME_FIRST 56
#define CPU_RUNTIME_COUNT 64
#define CPU_DESCRIPTORS 4096
#define CPU_ENTRY 8192
#define CPU_ENTRY_STACK_END 12224
#define CPU_ENTRY_USER_STACK 12224
#define CPU_KERNEL_ROOT 12232
#define CPU_USER_ROOT 12240
#define CPU_USER_ROOT_KEPT 12248
#define CPU_USER_ROOT_LOAD 12256

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TASK 0x30

// In a TrapFrame, beyond those of the processor: a system call that is not the runtime's.
#define VECTOR_FOREIGN_CALL 256
