// SPDX-License-Identifier: MIT
// Copies between kernel and user memory: the only instructions of the kernel that touch user
// memory. Each stands in the exception table; on a fault the copy ends with a value that is not 0.
// REP is restartable: when a fault on it was resolved it goes on where it was.

.macro exception_record start, end, fixup
    .pushsection .extable, "a"
    .balign 8
    .quad \start, \end, \fixup
    .popsection
.endm

// bool (void* to, const void* from, std::size_t bytes): true if it failed.
.macro copy_routine name, smap
    .section .text.\name, "ax"
    .balign 16
    .global \name
\name:
    .if \smap
    stac
    .endif
    movq %rdx, %rcx
    shrq $3, %rcx
10: rep movsq
11: movl %edx, %ecx
    andl $7, %ecx
12: rep movsb
13: xorl %eax, %eax
14: .if \smap
    clac
    .endif
    ret
15: movl $1, %eax
    jmp 14b
    exception_record 10b, 11b, 15b
    exception_record 12b, 13b, 15b
.endm

    copy_routine arch_copy_user, 0
    copy_routine arch_copy_user_smap, 1

    .section .note.GNU-stack, "", @progbits
