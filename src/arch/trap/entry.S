// SPDX-License-Identifier: MIT
// From interrupts and exceptions to C++ and back.
//
// What the processor pushed, then error code, vector and registers make up a TrapFrame (frame.hpp).
// GS belongs to the kernel in kernel mode: SWAPGS where a trap came from user mode, told by the
// interrupted code selector. NMI, #DB, #DF and #MC may come between the two, so they have stacks of
// their own, above which the CPU's area is named, and don't believe what GS or its base's sign says.
#include "arch/cpu/area_offsets.hpp"

#include "arch/trap/entry_macros.inc"

    .section .text.trap, "ax"
    .global trap_entry_start
trap_entry_start:

    .balign 16
    .global trap_stubs
trap_stubs:
    make_stubs debug_entry, own_stack_entry, exception_entry, interrupt_entry

exception_entry:
    push_registers
    clear_flags
    movq %rsp, %rdi
    testb $3, FRAME_CS(%rsp)
    jz 1f
    swapgs
    xorl %ebp, %ebp                 // the end of a backtrace
    call trap_from_user
    .global trap_return_to_user
trap_return_to_user:
    cmpb $0, %gs:CPU_USER_RETURN_WORK
    jne 3f
    pop_registers
    addq $16, %rsp
    swapgs
    .global trap_user_iret
trap_user_iret:
    iretq
3:  call trap_user_return_work
    jmp trap_return_to_user

1:  leaq trap_user_iret(%rip), %rax
    cmpq %rax, FRAME_RIP(%rsp)
    je 4f
    call trap_from_kernel
trap_return_to_kernel:
    pop_registers
    addq $16, %rsp
    iretq

    // The IRETQ to user mode itself faulted: GS is the user's already. The user's fault.
4:  swapgs
    call trap_from_user_return
    ud2

interrupt_entry:
    push_registers
    clear_flags
    movq %rsp, %rdi
    testb $3, FRAME_CS(%rsp)
    jz 5f
    swapgs
    xorl %ebp, %ebp
    call trap_interrupt
    jmp trap_return_to_user
5:  call trap_interrupt
    jmp trap_return_to_kernel

// From user mode a debug exception is an ordinary one, and may end or suspend the thread: the frame
// moves to the thread's stack. From kernel mode it comes only where MOV SS held it back until after
// SYSCALL or INT3: perhaps with the user's stack and GS.
debug_entry:
    testb $3, 24(%rsp)              // CS, above vector, error and RIP
    jz own_stack_entry
    swapgs
    pushq %rax
    movq %rsp, %rax
    movq %gs:CPU_KERNEL_STACK, %rsp
    addq $8, %rsp
    pushq 56(%rax)                  // SS, RSP, RFLAGS, CS, RIP, error, vector
    pushq 48(%rax)
    pushq 40(%rax)
    pushq 32(%rax)
    pushq 24(%rax)
    pushq 16(%rax)
    pushq 8(%rax)
    movq (%rax), %rax
    swapgs
    jmp exception_entry

own_stack_entry:
    push_registers
    clear_flags
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %ebx                 // the old base, to be put back
    movl %edx, %r12d
    movq FRAME_BYTES(%rsp), %rax    // the area, named above this stack
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movq %rsp, %rdi
    call trap_own_stack
    movl $MSR_GS_BASE, %ecx
    movl %ebx, %eax
    movl %r12d, %edx
    wrmsr
    jmp trap_return_to_kernel       // to wherever it was; GS is as it was

    .global trap_entry_end
trap_entry_end:

    .section .note.GNU-stack, "", @progbits
