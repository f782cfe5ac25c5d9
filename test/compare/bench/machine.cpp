// SPDX-License-Identifier: MIT
#include "compare/bench/machine.hpp"

#include "vm/commit.hpp"
#include "vm/frames.hpp"
#include "vm/port.hpp"
#include "vm/space.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace compare {

namespace {

int memory_file = -1;

/// The kernel's half, in a part of the process that nothing uses.
constexpr VirtRange kernel_half{VirtAddr{0x3000'0000'0000}, VirtAddr{0x3000'4000'0000}};

void* map_file(std::uint64_t address, std::uint64_t bytes, std::uint64_t offset) {
    void* const mapped = mmap(reinterpret_cast<void*>(address), bytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_NORESERVE | (address != 0 ? MAP_FIXED : 0),
                              memory_file, static_cast<off_t>(offset));
    if (mapped == MAP_FAILED) vm::port::panic("no memory for the machine");
    return mapped;
}

} // namespace

void start_machine() {
    memory_file = memfd_create("memory", 0);
    if (memory_file < 0 || ftruncate(memory_file, machine_memory) != 0)
        vm::port::panic("no memory for the machine");
    vm::port::direct_map = reinterpret_cast<std::uintptr_t>(map_file(0, machine_memory, 0));
    constexpr std::uint64_t count = machine_memory >> page_bits;
    auto* const records =
        static_cast<vm::Frame*>(mmap(nullptr, count * sizeof(vm::Frame), PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const PhysRange usable[] = {{PhysAddr{2 * page_size}, PhysAddr{machine_memory}}};
    vm::initialise_frames(usable, records, count);
    // A terabyte is promised at once, and never used.
    vm::set_commit_limit({1ULL << 40});
    if (!vm::kernel_space().adopt_kernel(PhysAddr{page_size}, 4, kernel_half))
        vm::port::panic("no kernel space");
}

std::uint64_t machine_overhead() {
    const auto frames = vm::frame_statistics();
    std::uint64_t pages = 0;
    for (const vm::FrameKind kind :
         {vm::FrameKind::table, vm::FrameKind::descriptor, vm::FrameKind::kernel})
        pages += frames.by_kind[static_cast<unsigned>(kind)];
    return pages << page_bits;
}

} // namespace compare

namespace vm::port {

std::uintptr_t direct_map = 0;

unsigned cpu() { return 0; }
void spin_wait() {}
void zero_pages(void* first, std::uint64_t count) { std::memset(first, 0, count * page_size); }
void copy_page(void* to, const void* from) { std::memcpy(to, from, page_size); }
bool mirrored_roots() { return false; }
void flush(const FlushRequest&) {}

/// The process sees the kernel's half where its tables have it.
void kernel_mapped(VirtRange range) {
    for (VirtAddr page = range.start; page < range.end; page = page + page_size) {
        const auto frame = kernel_space().frame_of(page);
        if (!frame) panic("kernel_mapped: a page is not present");
        compare::map_file(page.value, page_size, frame->value);
    }
}

[[noreturn]] void panic(const char* what, std::source_location where) {
    std::fprintf(stderr, "panic: %s at %s:%u\n", what, where.file_name(), where.line());
    std::abort();
}

} // namespace vm::port
