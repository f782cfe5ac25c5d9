// SPDX-License-Identifier: MIT
// Instructions that may fault on purpose. While probe_resume is set, an exception in kernel mode
// goes on there, with the stack pointer of probe_stack.
#define PROBE_INTERRUPT_VECTOR 0x70

.macro arm label
    leaq \label(%rip), %rax
    movq %rsp, probe_stack(%rip)
    movq %rax, probe_resume(%rip)
.endm
.macro disarm
    movq $0, probe_resume(%rip)
.endm

    .section .text.probe, "ax"

    .global probe_code_return
probe_code_return:
    ret

    .global probe_code_read
probe_code_read:
    arm 1f
    movb (%rdi), %cl
1:  disarm
    ret

    .global probe_code_write
probe_code_write:
    arm 1f
    movb $0xc3, (%rdi)              // RET: what probe_code_execute expects
1:  disarm
    ret

    .global probe_code_execute
probe_code_execute:
    arm 1f
    callq *%rdi
1:  disarm
    ret

    .global probe_code_read_as_copy
probe_code_read_as_copy:
    arm 1f
    stac
    movb (%rdi), %cl
    clac
1:  disarm
    ret

// Registers get values of their own, all different; RSP and the address in RDI are kept apart.
.macro save_kept
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm
.macro restore_kept
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
.endm
.macro fill_registers
    movabsq $0x1111111111111111, %rax
    movabsq $0x2222222222222222, %rbx
    movabsq $0x3333333333333333, %rcx
    movabsq $0x4444444444444444, %rdx
    movabsq $0x5555555555555555, %rsi
    movabsq $0x7777777777777777, %rbp
    movabsq $0x8888888888888888, %r8
    movabsq $0x9999999999999999, %r9
    movabsq $0xaaaaaaaaaaaaaaaa, %r10
    movabsq $0xbbbbbbbbbbbbbbbb, %r11
    movabsq $0xcccccccccccccccc, %r12
    movabsq $0xdddddddddddddddd, %r13
    movabsq $0xeeeeeeeeeeeeeeee, %r14
    movabsq $0x0123456789abcdef, %r15
.endm
// Counts in (%rsp) whether `register` differs; RAX is free by then.
.macro check register, value
    movabsq $\value, %rax
    cmpq %rax, \register
    je 9f
    incq (%rsp)
9:
.endm
.macro check_registers
    pushq $0
    pushq %rax
    movabsq $0x1111111111111111, %rax
    cmpq %rax, (%rsp)
    popq %rax                       // leaves the flags as they are
    je 8f
    incq (%rsp)
8:  check %rbx, 0x2222222222222222
    check %rcx, 0x3333333333333333
    check %rdx, 0x4444444444444444
    check %rsi, 0x5555555555555555
    check %rbp, 0x7777777777777777
    check %r8, 0x8888888888888888
    check %r9, 0x9999999999999999
    check %r10, 0xaaaaaaaaaaaaaaaa
    check %r11, 0xbbbbbbbbbbbbbbbb
    check %r12, 0xcccccccccccccccc
    check %r13, 0xdddddddddddddddd
    check %r14, 0xeeeeeeeeeeeeeeee
    check %r15, 0x0123456789abcdef
.endm

    .global probe_code_registers
probe_code_registers:
    save_kept
    pushq %rdi
    arm 1f
    fill_registers
    testb $1, (%rdi)
1:  disarm
    check_registers
    popq %rax
    popq %rcx
    cmpq %rcx, %rdi
    je 2f
    incq %rax
2:  restore_kept
    ret

    .global probe_code_interrupt
probe_code_interrupt:
    save_kept
    movabsq $0x6666666666666666, %rdi
    fill_registers
    stc
    int $PROBE_INTERRUPT_VECTOR
    jnc 3f                          // the flags are the frame's too
    check_registers
    check %rdi, 0x6666666666666666
    popq %rax
    restore_kept
    ret
3:  movl $1, %eax
    restore_kept
    ret

.macro each_vector operation
    \operation 0
    \operation 1
    \operation 2
    \operation 3
    \operation 4
    \operation 5
    \operation 6
    \operation 7
    \operation 8
    \operation 9
    \operation 10
    \operation 11
    \operation 12
    \operation 13
    \operation 14
    \operation 15
.endm
.macro fill_vector number
    leaq \number(%rdi), %rax
    movq %rax, %xmm\number
    punpcklqdq %xmm\number, %xmm\number
.endm
.macro count_vector number
    leaq \number(%rdi), %rcx
    movq %xmm\number, %rdx
    cmpq %rcx, %rdx
    jne 9f
    incq %rax
9:
.endm

    .global probe_code_fill_vectors
probe_code_fill_vectors:
    each_vector fill_vector
    ret

    .global probe_code_count_vectors
probe_code_count_vectors:
    xorl %eax, %eax
    each_vector count_vector
    ret

    .section .data.probe, "aw"
    .balign 8
    .global probe_resume
probe_resume:
    .quad 0
    .global probe_stack
probe_stack:
    .quad 0

    .section .note.GNU-stack, "", @progbits
