// SPDX-License-Identifier: MIT
// What stands in the table of system calls for fork. Entry code saves what C++ functions lose; here
// are the other registers of the caller, below the return address to it (thread.cpp: ForkRegisters).

    .section .text.fork_entry, "ax"
    .balign 16
    .global fork_entry
fork_entry:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp                   // for the alignment
    call fork_from_entry
    addq $56, %rsp
    ret

    .section .note.GNU-stack, "", @progbits
