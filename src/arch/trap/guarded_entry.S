// SPDX-License-Identifier: MIT
// The same ways in and out as entry.S and system_call.S, for processors that must be kept from
// reading the kernel's memory, or the kernel's traces, speculatively (arch/cpu/measures.hpp says
// which these are). Chosen at boot, as a whole: the plain ways cost nothing for it.
//
// Where user mode has a root of its own, only this section is mapped in it of all code, and of all
// data the IDT and what arch/cpu/entry_root.hpp shows of a CPU's area. So every way in loads the
// kernel's root first, and every way out goes by the area's small stack:
//
//   user mode ─► entry stack (TSS) ─► kernel root ─► the frame moves to the thread's stack ─► C++
//   C++ ─► the frame moves to the entry stack ─► user root ─► IRETQ
//
// Roots come in pairs, 8 KiB aligned, so bit 12 of CR3 tells which one is loaded.
#include "arch/cpu/area_offsets.hpp"
#include "arch/trap/entry_macros.inc"

#define USER_ROOT_BIT 0x1000
#define NO_FLUSH_BIT 63
#define BAD_SYSTEM_CALL 11
#define MSR_SPECULATION_CONTROL 0x48

.set system_call_count, 0
#define SYSTEM_CALL(number, ...) .set system_call_count, system_call_count + 1
#include "abi/system_calls.def"

// GS is the kernel's. Changes the flags.
.macro load_kernel_root scratch
    movq %gs:CPU_KERNEL_ROOT, \scratch
    testq \scratch, \scratch
    jz .Lsame_root\@
    movq \scratch, %cr3
.Lsame_root\@:
.endm

// Takes the value of CR3 for user mode into CPU_USER_ROOT_LOAD; the one after it flushes nothing.
.macro choose_user_root
    pushq %gs:CPU_USER_ROOT_KEPT
    pushq %gs:CPU_USER_ROOT
    popq %gs:CPU_USER_ROOT_LOAD
    popq %gs:CPU_USER_ROOT
.endm
.macro load_user_root scratch
    movq %gs:CPU_USER_ROOT_LOAD, \scratch
    testq \scratch, \scratch
    jz .Lsame_root\@
    movq \scratch, %cr3
.Lsame_root\@:
.endm

// What the kernel's loads and stores left in the processor's buffers is overwritten by VERW, with
// microcode that has MD_CLEAR (SDM vol. 3A, 3.4; Intel's guidance on MDS); else nothing happens.
// The last load of kernel data lies before it.
.macro forget_buffers
    verw verw_selector(%rip)
.endm

// Indirect branches in the kernel take no advice from user mode's, where each entry must say so
// (IBRS; SDM vol. 4, IA32_SPEC_CTRL). Changes rax, rcx, rdx and the flags. Nobody gets past the
// branch by a guess.
.macro restrict_branches
    movl speculation_control_kernel(%rip), %eax
    cmpl speculation_control_user(%rip), %eax
    je .Lrestricted\@
    movl $MSR_SPECULATION_CONTROL, %ecx
    xorl %edx, %edx
    wrmsr
.Lrestricted\@:
    lfence
.endm
.macro release_branches
    movl speculation_control_user(%rip), %eax
    cmpl speculation_control_kernel(%rip), %eax
    je .Lreleased\@
    movl $MSR_SPECULATION_CONTROL, %ecx
    xorl %edx, %edx
    wrmsr
.Lreleased\@:
.endm

// From user mode, with vector and error on a stack of the area's: GS and root become the kernel's,
// and the frame moves to the thread's stack. LFENCE: nothing runs ahead with the user's GS (CVE-
// 2019-1125), which a wrong guess about SWAPGS would give.
.macro come_from_user
    swapgs
    lfence
    pushq %rdi
    load_kernel_root %rdi
    movq %rsp, %rdi
    movq %gs:CPU_KERNEL_STACK, %rsp
    addq $8, %rsp
    pushq 56(%rdi)                  // SS, RSP, RFLAGS, CS, RIP, error, vector
    pushq 48(%rdi)
    pushq 40(%rdi)
    pushq 32(%rdi)
    pushq 24(%rdi)
    pushq 16(%rdi)
    pushq 8(%rdi)
    movq (%rdi), %rdi
    push_registers
    clear_flags
    restrict_branches
    xorl %ebp, %ebp                 // the end of a backtrace
    movq %rsp, %rdi
.endm

    .section .text.guarded, "ax"
    .balign 16
    .global guarded_stubs
guarded_stubs:
    make_stubs guarded_debug, guarded_own_stack, guarded_exception, guarded_interrupt

guarded_debug:
    testb $3, 24(%rsp)              // CS, above vector, error and RIP
    jz guarded_own_stack            // held back by MOV SS: see entry.S
guarded_exception:
    testb $3, 24(%rsp)
    jz 1f
    come_from_user
    call trap_from_user
    .global guarded_return_to_user
guarded_return_to_user:
    cmpb $0, %gs:CPU_USER_RETURN_WORK
    jne 3f
    release_branches
    choose_user_root
    pop_most_registers
    movq %rsp, %rdi                 // RDI, vector, error, RIP, CS, RFLAGS, RSP, SS
    movq %gs:CPU_SELF, %rsp
    addq $CPU_ENTRY_STACK_END, %rsp
    pushq 56(%rdi)
    pushq 48(%rdi)
    pushq 40(%rdi)
    pushq 32(%rdi)
    pushq 24(%rdi)
    pushq (%rdi)
guarded_leave:
    load_user_root %rdi
    popq %rdi
    forget_buffers
    swapgs
    .global guarded_user_iret
guarded_user_iret:
    iretq
3:  call trap_user_return_work
    jmp guarded_return_to_user

1:  lfence
    push_registers
    clear_flags
    movq %rsp, %rdi
    leaq guarded_user_iret(%rip), %rax
    cmpq %rax, FRAME_RIP(%rsp)
    je 4f
    call trap_from_kernel
guarded_return_to_kernel:
    pop_registers
    addq $16, %rsp
    iretq

    // The IRETQ to user mode itself faulted: GS and root are the user's, the stack is the area's.
4:  swapgs
    lfence
    load_kernel_root %rax
    movq %rsp, %rsi
    movq %gs:CPU_KERNEL_STACK, %rdi
    leaq 8 - FRAME_BYTES(%rdi), %rdi
    movq %rdi, %rsp
    movl $(FRAME_BYTES / 8), %ecx
    rep movsq
    restrict_branches
    movq %rsp, %rdi
    call trap_from_user_return
    ud2

guarded_interrupt:
    testb $3, 24(%rsp)
    jz 5f
    come_from_user
    call trap_interrupt
    jmp guarded_return_to_user
5:  lfence
    push_registers
    clear_flags
    movq %rsp, %rdi
    call trap_interrupt
    jmp guarded_return_to_kernel

// NMI, #DF, #MC, and #DB in kernel mode, on stacks of their own: GS, root and branch restriction may
// be either side's, and are put back as they were.
guarded_own_stack:
    push_registers
    clear_flags
    movq FRAME_BYTES(%rsp), %r14    // the area, named above this stack
    xorl %r13d, %r13d               // CR3 to be put back; 0: it stays
    movq CPU_KERNEL_ROOT(%r14), %rax
    testq %rax, %rax
    jz 6f
    movq %cr3, %rcx
    testl $USER_ROOT_BIT, %ecx
    jz 6f
    movq %rax, %cr3
    movq %rcx, %r13
    shrq $NO_FLUSH_BIT, %rax        // set where there are PCIDs: put back without a flush
    shlq $NO_FLUSH_BIT, %rax
    orq %rax, %r13
6:  lfence
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %ebx
    movl %edx, %r12d
    movl %r14d, %eax
    movq %r14, %rdx
    shrq $32, %rdx
    wrmsr
    movl speculation_control_kernel(%rip), %eax
    cmpl speculation_control_user(%rip), %eax
    je 7f
    movl $MSR_SPECULATION_CONTROL, %ecx
    rdmsr
    movl %eax, %r15d
    restrict_branches
7:  movq %rsp, %rdi
    call trap_own_stack
    movl speculation_control_kernel(%rip), %eax
    cmpl speculation_control_user(%rip), %eax
    je 8f
    movl $MSR_SPECULATION_CONTROL, %ecx
    movl %r15d, %eax
    xorl %edx, %edx
    wrmsr
8:  movl $MSR_GS_BASE, %ecx
    movl %ebx, %eax
    movl %r12d, %edx
    wrmsr
    testq %r13, %r13
    jz 9f
    movq %r13, %cr3
9:  forget_buffers
    jmp guarded_return_to_kernel    // to wherever it was

// SYSCALL: see system_call.S. The kernel stack is laid out as there.
    .balign 64
    .global guarded_system_call
guarded_system_call:
    swapgs
    movq %rsp, %gs:CPU_ENTRY_USER_STACK
    load_kernel_root %rsp
    movq %gs:CPU_KERNEL_STACK, %rsp
    pushq %gs:CPU_ENTRY_USER_STACK
    pushq %r11
    pushq %rcx
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    movq %rax, %r11
    movq %rdx, %rcx
    restrict_branches
    movq %r11, %rax
    movq 24(%rsp), %rdx
    cmpq %gs:CPU_SYSTEM_CALL_LIMIT, %rax
    jae 3f
7:  sbbq %rcx, %rcx                 // all ones, or zero where the branch was mispredicted
    andq %rcx, %rax
    movq system_call_table(, %rax, 8), %rax
    movq %r10, %rcx                 // the fourth argument of a function
    call call_rax
1:  cmpb $0, %gs:CPU_USER_RETURN_WORK
    jne 2f
    pushq %rax
    release_branches
    popq %rax
    choose_user_root
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rcx
    movq %rcx, %r11                 // only to the lower half: see system_call.S
    shrq $47, %r11
    jne 4f
    popq %r11
    popq %gs:CPU_ENTRY_USER_STACK
    load_user_root %rsp
    movq %gs:CPU_ENTRY_USER_STACK, %rsp
    forget_buffers
    swapgs
    sysretq

2:  pushq %rax
    pushq %rax                      // for the alignment
    call trap_user_return_work
    popq %rax
    popq %rax
    jmp 1b

3:  judge_system_call accept=7b, refuse=8f
    make_call_a_trap
    movq %rsp, %rdi
    xorl %ebp, %ebp
    call trap_from_user
    jmp guarded_return_to_user
8:  movq $-BAD_SYSTEM_CALL, %rax
    jmp 1b

4:  popq %r11
    popq %gs:CPU_ENTRY_USER_STACK
    movq %gs:CPU_SELF, %rsp
    addq $CPU_ENTRY_STACK_END, %rsp
    pushq $SELECTOR_USER_DATA
    pushq %gs:CPU_ENTRY_USER_STACK
    pushq %r11
    pushq $SELECTOR_USER_CODE
    pushq %rcx
    pushq %rdi
    jmp guarded_leave

// Goes to RAX. Where the return goes is foretold by the call before it: to a loop without effects
// (Intel and AMD call this a retpoline).
call_rax:
    call 6f
5:  pause
    lfence
    jmp 5b
6:  movq %rax, (%rsp)
    ret

verw_selector:
    .word SELECTOR_KERNEL_DATA

    .section .note.GNU-stack, "", @progbits
