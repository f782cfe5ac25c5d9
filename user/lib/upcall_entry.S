// SPDX-License-Identifier: MIT
// From the kernel to a handler in C++ and back: RSP is at the frame, all other registers are the
// interrupted code's.
//
// Programs are compiled for SSE2: a C++ function may use the lower halves of sixteen vector
// registers and MXCSR, and leaves what lies above alone. FXSAVE keeps those, the x87 unit too; the
// handler begins with both units as a thread does.

#define STACK_MASK 0xffff                   // a stack's end is a multiple of one more
#define VECTOR_STATE_BYTES 512              // of FXSAVE (SDM vol. 1, 10.5)

#define SYSTEM_CALL(number, name, ...) .set number_of_##name, number
#include "abi/system_calls.def"

    .section .text.user_upcall_entry, "ax", @progbits
    .balign 16
    .globl  user_upcall_entry
    .hidden user_upcall_entry
    .type   user_upcall_entry, @function
user_upcall_entry:
    movq    %rsp, %rbx
    movq    %rsp, %rdi
    movq    %rsp, %rax
    orq     $STACK_MASK, %rax               // the last byte of the stack, below which the
    subq    $VECTOR_STATE_BYTES, %rsp       // handler's address stands
    fxsave64 (%rsp)
    fninit
    ldmxcsr first_mxcsr(%rip)
    xorl    %ebp, %ebp                      // the end of a backtrace
    call    *-15(%rax)
    testb   %al, %al
    jz      2f
1:  fxrstor64 (%rsp)
    movq    %rbx, %rdi
    movl    $number_of_upcall_return, %eax
    syscall                                 // returns when the kernel refuses the registers
    movq    %rbx, %rdi
    call    user_upcall_refused
    ud2
2:  movq    %rbx, %rdi
    call    user_upcall_decline
    jmp     1b
    .size   user_upcall_entry, . - user_upcall_entry

    .section .rodata.user_upcall_entry, "a", @progbits
    .balign 4
first_mxcsr:
    .long   0x1f80

    .section .note.GNU-stack, "", @progbits
