// SPDX-License-Identifier: MIT
// The console's font, a PC screen font that the build unpacks: [console_font, console_font_end).

.section .rodata
.balign 8
.globl console_font
console_font:
    .incbin "font.psf"
.globl console_font_end
console_font_end:

.section .note.GNU-stack, "", @progbits
