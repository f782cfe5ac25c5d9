// SPDX-License-Identifier: MIT
// A processor's first instructions: from real mode, at a page below 1 MiB, to the kernel.
//
// The first part is copied to that page (trampoline.cpp) and runs there, so it names nothing but by
// its distance from the page's start; in 32-bit mode EBX holds that. The mode switches are those of
// SDM vol. 3A, 9.9.1 and 9.8.5.
#include "arch/smp/trampoline_offsets.hpp"

#define DATA(field) (trampoline_data - trampoline_start + field)

#define CR0_PROTECTION 0x00000001
#define CR0_WRITE_PROTECT 0x00010000
#define CR0_PAGING 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_NO_EXECUTE (1 << 11)
#define CPUID_NO_EXECUTE (1 << 20)
#define CPUID_LONG_MODE (1 << 29)
#define MSR_MISC_ENABLE 0x1a0
#define XD_DISABLE_HIGH (1 << 2)        // bit 34
#define VENDOR_INTEL_END 0x6c65746e     // "ntel", in ECX
#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC_ID 0x802
#define APIC_BASE_X2APIC 0x400
#define APIC_ID_REGISTER 0x20
#define NOBODY 0xffffffff

    .section .rodata.trampoline, "a"
    .balign 16
    .global trampoline_start
trampoline_start:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lock incl DATA(TRAMPOLINE_ARRIVALS)
    cmpl $0, DATA(TRAMPOLINE_OPEN)
    je 1f                           // too late: nobody waits for it any more
    movzwl %ax, %ebx
    shll $4, %ebx
    lgdtl DATA(TRAMPOLINE_GDT_REGISTER)
    movl $CR0_PROTECTION, %eax      // caches on: reset had them off
    movl %eax, %cr0
    ljmpl *DATA(TRAMPOLINE_PROTECTED_ENTRY)
1:  hlt
    jmp 1b

    .code32
    .global trampoline_protected
trampoline_protected:
    movl $TRAMPOLINE_DATA, %eax
    movl %eax, %ds
    // What the boot CPU has, and this one can't go on without: else it never answers.
    movl %ebx, %esi
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb 2f
    movl $0x80000001, %eax
    cpuid
    testl $CPUID_LONG_MODE, %edx
    jz 2f
    movl %esi, %ebx
    testl $EFER_NO_EXECUTE, DATA(TRAMPOLINE_EFER)(%ebx)
    jz 3f
    testl $CPUID_NO_EXECUTE, %edx
    jnz 3f
    // The firmware may hide no-execute pages on each processor: see cpu_features.cpp.
    xorl %eax, %eax
    cpuid
    cmpl $VENDOR_INTEL_END, %ecx
    jne 2f
    movl $MSR_MISC_ENABLE, %ecx
    rdmsr
    testl $XD_DISABLE_HIGH, %edx
    jz 2f
    andl $~XD_DISABLE_HIGH, %edx
    wrmsr
    movl $0x80000001, %eax
    cpuid
    movl %esi, %ebx
    testl $CPUID_NO_EXECUTE, %edx
    jnz 3f
2:  hlt
    jmp 2b
3:  movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl DATA(TRAMPOLINE_ROOT)(%ebx), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl DATA(TRAMPOLINE_EFER)(%ebx), %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PROTECTION | CR0_WRITE_PROTECT | CR0_PAGING), %eax
    movl %eax, %cr0
    ljmpl *DATA(TRAMPOLINE_LONG_ENTRY)(%ebx)

    .code64
    .global trampoline_long
trampoline_long:
    movabsq $processor_entry, %rax
    jmpq *%rax

    .balign 8
trampoline_data:
    .skip TRAMPOLINE_GDT
    .quad 0
    .quad 0x00cf9b000000ffff        // code, 32-bit; all marked as accessed: the page is read-only
    .quad 0x00cf93000000ffff        // data
    .quad 0x00af9b000000ffff        // code, 64-bit
    .global trampoline_end
trampoline_end:
    .global trampoline_data

// In the kernel's half. Takes the offer if it is meant for this processor, told by the number under
// which it got the start-up command; any other halts for ever.
    .section .text.entry, "ax"
processor_entry:
    movq offered_root, %rax
    movq %rax, %cr3                 // the page of the trampoline is gone
    movq offered_apic_registers, %rsi
    testq %rsi, %rsi
    jz 2f
    movl APIC_ID_REGISTER(%rsi), %eax
    shrl $24, %eax
    jmp 4f
2:  movl $MSR_APIC_BASE, %ecx
    rdmsr
    testl $APIC_BASE_X2APIC, %eax
    jnz 3f
    orl $APIC_BASE_X2APIC, %eax
    wrmsr
3:  movl $MSR_X2APIC_ID, %ecx
    rdmsr
4:  movl $NOBODY, %ecx
    lock cmpxchgl %ecx, offered_apic_id
    jne 5f
    movq offered_stack, %rsp
    movq offered_start, %rdi
    xorl %ebp, %ebp                 // the end of every backtrace
    call arch_start_processor
5:  cli
    hlt
    jmp 5b

    .section .note.GNU-stack, "", @progbits
