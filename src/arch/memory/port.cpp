// SPDX-License-Identifier: MIT
// What the map and the system calls ask of memory: pages, flushes, user copies.
#include "proc/port.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/layout.hpp"
#include "vm/port.hpp"

namespace arch {

extern "C" {
bool arch_copy_user(void* to, const void* from, std::size_t bytes);
bool arch_copy_user_smap(void* to, const void* from, std::size_t bytes);
}

namespace {

/// Above so many pages the whole TLB is cheaper to forget than page by page.
constexpr std::uint64_t single_page_limit = 32;

Result<void> copy_user(void* to, const void* from, std::size_t bytes) {
    const bool failed =
        this_cpu().smap ? arch_copy_user_smap(to, from, bytes) : arch_copy_user(to, from, bytes);
    if (failed) [[unlikely]]
        return Error::bad_address;
    return {};
}

/// Writing CR4.PGE forgets everything, global translations too; writing CR3 all but those
/// (SDM vol. 3A, 4.10.4.1).
void flush_everything(bool global) {
    const std::uint64_t cr4 = read_cr4();
    if (global && (cr4 & cr4_global_pages) != 0) {
        write_cr4(cr4 & ~cr4_global_pages);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
    ++this_cpu().flushed_spaces;
}

} // namespace
} // namespace arch

namespace vm::port {

using namespace arch;

void zero_page(void* page) {
    std::uint64_t count = page_size / 8;
    asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0ULL) : "memory");
}

void copy_page(void* to, const void* from) {
    std::uint64_t count = page_size / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void flush(const FlushRequest& request) {
    // One CPU so far. A user space that is not loaded has nothing cached: loading another root
    // forgot it. The kernel's half is cached whatever is loaded. INVLPG forgets all cached table
    // references too (SDM vol. 3A, 4.10.4.1), so `tables` needs nothing more.
    CpuArea& area = this_cpu();
    const bool kernel = request.space->is_kernel();
    if (!kernel && area.root != request.space->root().value) return;
    const std::uint64_t pages = request.range.pages().value;
    if (pages > single_page_limit) return flush_everything(kernel);
    for (VirtAddr page = request.range.start; page < request.range.end; page = page + page_size)
        invalidate_page(page.value);
    area.flushed_pages += pages;
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
