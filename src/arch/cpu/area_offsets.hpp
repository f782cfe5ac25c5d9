// SPDX-License-Identifier: MIT
// Where assembly finds the fields of arch::CpuArea, and the segment selectors. area.hpp checks the
// former, descriptors.cpp the latter.
#pragma once

#define CPU_SELF 0
#define CPU_KERNEL_STACK 8
#define CPU_USER_STACK 16
#define CPU_THREAD 24
#define CPU_NUMBER 32
#define CPU_USER_RETURN_WORK 36

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TASK 0x30
