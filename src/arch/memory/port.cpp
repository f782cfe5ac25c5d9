// SPDX-License-Identifier: MIT
// What the map and the system calls ask of memory: pages, user copies.
#include "proc/port.hpp"
#include "arch/cpu/area.hpp"
#include "arch/layout.hpp"
#include "vm/port.hpp"

namespace arch {

extern "C" {
bool arch_copy_user(void* to, const void* from, std::size_t bytes);
bool arch_copy_user_smap(void* to, const void* from, std::size_t bytes);
}

namespace {

Result<void> copy_user(void* to, const void* from, std::size_t bytes) {
    const bool failed =
        this_cpu().smap ? arch_copy_user_smap(to, from, bytes) : arch_copy_user(to, from, bytes);
    if (failed) [[unlikely]]
        return Error::bad_address;
    return {};
}

} // namespace
} // namespace arch

namespace vm::port {

using namespace arch;

void zero_pages(void* first, std::uint64_t count) {
    count *= page_size / 8;
    asm volatile("rep stosq" : "+D"(first), "+c"(count) : "a"(0ULL) : "memory");
}

void copy_page(void* to, const void* from) {
    std::uint64_t count = page_size / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void kernel_mapped(VirtRange) {}

} // namespace vm::port

namespace proc::port {

// The address was checked; the mask keeps a wrong guess about that from reading kernel memory.
constexpr std::uint64_t user_mask = arch::layout::user_end.value - 1;

Result<void> copy_from_user(void* to, VirtAddr from, std::size_t bytes) {
    const std::uint64_t start = from.value & user_mask;
    return arch::copy_user(to, reinterpret_cast<const void*>(start), bytes);
}

Result<void> copy_to_user(VirtAddr to, const void* from, std::size_t bytes) {
    const std::uint64_t start = to.value & user_mask;
    return arch::copy_user(reinterpret_cast<void*>(start), from, bytes);
}

} // namespace proc::port
