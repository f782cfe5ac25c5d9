// SPDX-License-Identifier: MIT
// The first instructions of every program. rdi holds the address of the argument block, rsi that of
// the clock page.

    .section .text._start, "ax", @progbits
    .globl  _start
    .type   _start, @function
_start:
    rdtsc                               // when the program began: init passes it on
    shlq    $32, %rdx
    orq     %rdx, %rax
    movq    %rax, %r12
    xorl    %ebp, %ebp                  // the end of every backtrace
    andq    $-16, %rsp
    movq    %rdi, %r13
    movq    %rsi, %r14
    leaq    __ehdr_start(%rip), %rdi    // where the program lies
    leaq    _DYNAMIC(%rip), %rsi        // 0 when it needs no relocation
    call    user_relocate
    movq    %r13, %rdi
    movq    %r12, %rsi
    movq    %r14, %rdx
    call    user_start                  // does not return
    ud2
    .size   _start, . - _start

    .weak   _DYNAMIC
    .hidden _DYNAMIC
    .hidden __ehdr_start

    .section .note.GNU-stack, "", @progbits
