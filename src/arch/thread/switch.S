// SPDX-License-Identifier: MIT
// From one kernel stack to another. What C++ functions keep goes on the stack; the rest is dead.

#include "arch/cpu/area_offsets.hpp"

    .section .text.switch, "ax"

// void arch_switch_stack(std::uint64_t* old_stack, std::uint64_t new_stack)
    .balign 16
    .global arch_switch_stack
arch_switch_stack:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

// First on a new user thread's stack: a TrapFrame lies at RSP.
    .balign 16
    .global arch_user_thread_start
arch_user_thread_start:
    call arch_thread_started
    cmpb $0, %gs:CPU_GUARDED
    jne guarded_return_to_user
    jmp trap_return_to_user

// First on a new kernel thread's stack: the function in rbx, its argument in r12.
    .balign 16
    .global arch_kernel_thread_start
arch_kernel_thread_start:
    movq %r12, %rdi
    call *%rbx
    ud2                             // it must not return

    .section .note.GNU-stack, "", @progbits
