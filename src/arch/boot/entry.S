// SPDX-License-Identifier: MIT
// From the boot loader to C++: two 32-bit entries, the check for long mode, the first page tables.
//
// The first tables, all in 2 MiB pages, replaced by arch/boot/paging.cpp:
//   0x0000000000000000  the first 4 GiB (this code runs here)
//   0xffff800000000000  the same 4 GiB (the direct map)
//   0xffffffff80000000  the first 1 GiB (the kernel image)

#define CR0_PROTECTION 0x00000001
#define CR0_WRITE_PROTECT 0x00010000
#define CR0_PAGING 0x80000000
#define CR4_PAE 0x20
#define EFER_NUMBER 0xc0000080
#define EFER_LONG_MODE 0x100
#define MULTIBOOT2_HEADER 0xe85250d6
#define MULTIBOOT2_LOADER 0x36d76289
#define PRESENT_WRITABLE 0x3
#define PRESENT_WRITABLE_LARGE 0x83
#define PROTOCOL_MULTIBOOT2 1
#define PROTOCOL_PVH 2
#define STACK_BYTES 16384

    .section .boot.header, "a"
    .balign 8
multiboot2_header:
    .long MULTIBOOT2_HEADER
    .long 0                         // i386, protected mode
    .long multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_HEADER + multiboot2_header_end - multiboot2_header)
    .balign 8
    .word 3, 0                      // the entry
    .long 12
    .long multiboot2_entry
    .balign 8
    .word 5, 1                      // a framebuffer, optional
    .long 20
    .long 1024, 768, 32
    .balign 8
    .word 6, 0                      // modules on page boundaries
    .long 8
    .balign 8
    .word 0, 0                      // end
    .long 8
multiboot2_header_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4                         // name size
    .long 8                         // descriptor size
    .long 18                        // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

    .section .boot.text, "ax"
    .code32
    .global multiboot2_entry
multiboot2_entry:
    cli
    cld
    cmpl $MULTIBOOT2_LOADER, %eax
    movl $message_loader, %esi
    jne refuse
    movl $PROTOCOL_MULTIBOOT2, %ebp
    jmp common_entry

    .global pvh_entry
pvh_entry:
    cli
    cld
    movl $PROTOCOL_PVH, %ebp

// EBP: the protocol. EBX: physical address of the boot information. No stack so far.
common_entry:
    movl $boot_stack_end, %esp
    // CPUID exists if EFLAGS.ID (bit 21) can be changed.
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $0x200000, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    movl $message_long_mode, %esi
    xorl %ecx, %eax
    testl $0x200000, %eax
    jz refuse
    pushl %ebx
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb refuse
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx          // LM
    jz refuse
    popl %ebx

    // The leaves: 2048 pages of 2 MiB.
    movl $early_directories, %edi
    movl $PRESENT_WRITABLE_LARGE, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    // What leads to them. The tables are zero: they lie in .boot.bss.
    movl $(early_directories + PRESENT_WRITABLE), %eax
    movl %eax, early_image_pointers + 510 * 8
    movl $early_pointers, %edi
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    decl %ecx
    jnz 2b
    movl $(early_pointers + PRESENT_WRITABLE), %eax
    movl %eax, early_top
    movl %eax, early_top + 256 * 8
    movl $(early_image_pointers + PRESENT_WRITABLE), %eax
    movl %eax, early_top + 511 * 8

    movl $early_top, %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER_NUMBER, %ecx
    movl $EFER_LONG_MODE, %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PROTECTION | CR0_WRITE_PROTECT | CR0_PAGING), %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $0x08, $long_mode_entry

// ESI: a message. Says it on COM1, which may not be there, and stops.
refuse:
    movl $0x3f8, %edx
3:  lodsb
    testb %al, %al
    jz 5f
    movb %al, %bl
    movl $0x3fd, %edx
    movl $100000, %ecx
4:  inb %dx, %al
    testb $0x20, %al                // transmitter empty
    loopz 4b
    movl $0x3f8, %edx
    movb %bl, %al
    outb %al, %dx
    jmp 3b
5:  hlt
    jmp 5b

    .code64
long_mode_entry:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movabsq $high_entry, %rax
    jmpq *%rax

    .section .text.entry, "ax"
high_entry:
    movq $first_stack_end, %rsp
    movl %ebp, %edi
    movl %ebx, %esi
    xorl %ebp, %ebp                 // the end of every backtrace
    call arch_start
6:  hlt
    jmp 6b

    .section .boot.data, "aw"
message_loader:
    .asciz "Tabula: started by something that is not a Multiboot2 loader\r\n"
message_long_mode:
    .asciz "Tabula: this processor has no 64-bit mode\r\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        // code, 64-bit
    .quad 0x00cf93000000ffff        // data
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt

    .section .boot.bss, "aw", @nobits
    .balign 4096
early_top:
    .skip 4096
early_pointers:
    .skip 4096
early_image_pointers:
    .skip 4096
early_directories:
    .skip 4 * 4096
    .skip 64
boot_stack_end:

    .section .bss, "aw", @nobits
    .balign 4096
    .global first_stack_guard       // left out of the final page tables
first_stack_guard:
    .skip 4096
    .global first_stack
first_stack:
    .skip STACK_BYTES
    .global first_stack_end
first_stack_end:

    .section .note.GNU-stack, "", @progbits
