// SPDX-License-Identifier: MIT
// The first instructions of new threads: where `switch_stack` (thread.cpp) returns to on their stacks.

#include "arch/cpu/area_offsets.hpp"

    .section .text.switch, "ax"

// First on a new user thread's stack: a TrapFrame lies at RSP.
    .balign 16
    .global arch_user_thread_start
arch_user_thread_start:
    call arch_thread_started
    cmpb $0, %gs:CPU_GUARDED
    jne guarded_return_to_user
    jmp trap_return_to_user

// First on a new kernel thread's stack: the function and its argument lie at RSP.
    .balign 16
    .global arch_kernel_thread_start
arch_kernel_thread_start:
    popq %rax
    popq %rdi
    call *%rax
    ud2                             // it must not return

    .section .note.GNU-stack, "", @progbits
