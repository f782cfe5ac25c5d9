// SPDX-License-Identifier: MIT
// Where the kernel image lies, by the linker script's symbols.
#pragma once

#include "lib/address.hpp"

#include <cstdint>

namespace arch::image {

extern "C" {
extern const char kernel_physical_start[];
extern const char kernel_physical_end[];
extern const char text_start[];
extern const char text_end[];
extern const char guarded_text_start[];
extern const char guarded_text_end[];
extern const char rodata_start[];
extern const char rodata_end[];
extern const char data_start[];
extern const char data_end[];
extern const char first_stack_guard[];
}

inline VirtAddr address(const char* symbol) { return {reinterpret_cast<std::uint64_t>(symbol)}; }

inline VirtRange text() { return {address(text_start), address(text_end)}; }
/// Of the code, what user mode's roots show: whole pages.
inline VirtRange guarded_text() { return {address(guarded_text_start), address(guarded_text_end)}; }
inline VirtRange rodata() { return {address(rodata_start), address(rodata_end)}; }
/// Data and zero-initialised data; the page at stack_guard() is left out of the tables.
inline VirtRange data() { return {address(data_start), address(data_end)}; }
/// The page below the first stack: running over it faults.
inline VirtAddr stack_guard() { return address(first_stack_guard); }
/// All of the image, the 32-bit entry included.
inline PhysRange physical() {
    return {{address(kernel_physical_start).value}, {address(kernel_physical_end).value}};
}

} // namespace arch::image
