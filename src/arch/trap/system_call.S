// SPDX-License-Identifier: MIT
// SYSCALL: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; result in rax. The processor put
// RIP into rcx and RFLAGS into r11 (SDM vol. 2B, SYSCALL) and masked IF, TF, DF, AC and NT.
//
// A thread may have declared where its runtime lies: then the limit that each call's number is
// compared with is 0, so that they all take the long way, and the others pay nothing for it.
//
// The kernel stack, from its top down, 16-aligned where the function is called:
//   unused, user RSP, user RFLAGS, user RIP, rdi, rsi, rdx, r8, r9, r10
// C++ keeps the other registers; those saved here come back so that nothing of the kernel's leaks.
#include "arch/cpu/area_offsets.hpp"
#include "arch/trap/entry_macros.inc"

#define BAD_SYSTEM_CALL 11

.set system_call_count, 0
#define SYSTEM_CALL(number, ...) .set system_call_count, system_call_count + 1
#include "abi/system_calls.def"

    .section .text.trap, "ax"
    .balign 64
    .global system_call_entry
system_call_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_STACK
    movq %gs:CPU_KERNEL_STACK, %rsp
    pushq %gs:CPU_USER_STACK
    pushq %r11
    pushq %rcx
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    cmpq %gs:CPU_SYSTEM_CALL_LIMIT, %rax
    jae 3f
5:  sbbq %rcx, %rcx                 // all ones, or zero where the branch was mispredicted
    andq %rcx, %rax
    movq %r10, %rcx                 // the fourth argument of a function
    call *system_call_table(, %rax, 8)
1:  cmpb $0, %gs:CPU_USER_RETURN_WORK
    jne 2f
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rcx
    // SYSRET to an address that is not canonical faults in kernel mode with the user's stack on
    // Intel's processors (SDM vol. 2B, SYSRET): only an address in the lower half goes there.
    movq %rcx, %r11
    shrq $47, %r11
    jne 4f
    popq %r11
    popq %rsp
    swapgs
    sysretq

2:  pushq %rax
    pushq %rax                      // for the alignment
    call trap_user_return_work
    popq %rax
    popq %rax
    jmp 1b

3:  judge_system_call accept=5b, refuse=6f
    make_call_a_trap
    movq %rsp, %rdi
    xorl %ebp, %ebp                 // the end of a backtrace
    call trap_from_user
    jmp trap_return_to_user
6:  movq $-BAD_SYSTEM_CALL, %rax
    jmp 1b

4:  popq %r11
    popq %gs:CPU_USER_STACK
    pushq $SELECTOR_USER_DATA
    pushq %gs:CPU_USER_STACK
    pushq %r11
    pushq $SELECTOR_USER_CODE
    pushq %rcx
    swapgs
    jmp trap_user_iret

    .global system_call_end
system_call_end:

    .section .note.GNU-stack, "", @progbits
