// SPDX-License-Identifier: MIT
// vm::port for the modelled machine.
#include "vm/port.hpp"

#include "shim/lines.hpp"
#include "shim/machine.hpp"
#include "shim/parallel.hpp"
#include "shim/stepped.hpp"
#include "vm/atomic.hpp"

#include <atomic>
#include <cstring>
#include <limits>
#include <thread>

namespace shim {

namespace {

thread_local unsigned this_cpu = 0;

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> first_refused{never};
std::atomic<std::uint64_t> last_refused{never};
std::atomic<bool> refused{false};

void refuse(std::uint64_t allowed, std::uint64_t last) {
    refused = false;
    first_refused = allocations + allowed;
    last_refused = last;
}

/// Shows what the kernel's tables say of these pages, after a change.
void mirror_again(Machine& machine, VirtRange range) {
    for (const auto& [page, frame] : Arena::the().mirrored(range)) {
        const Walk walk = machine.mmu().look(machine.kernel_root().value, page);
        if (!walk.translation)
            Arena::the().unmirror(VirtAddr{page});
        else
            Arena::the().mirror(VirtAddr{page}, PhysAddr{walk.translation->physical(page)});
    }
}

} // namespace

void set_cpu(unsigned cpu) { this_cpu = cpu; }

void fail_allocation_after(std::uint64_t allowed) { refuse(allowed, allocations + allowed); }
void fail_allocations_after(std::uint64_t allowed) { refuse(allowed, never); }
bool allow_allocations() {
    first_refused = never;
    return refused.exchange(false);
}
std::uint64_t allocation_count() { return allocations; }

thread_local SearchCount search_count;

Stepped* stepped = nullptr;

} // namespace shim

namespace vm::port {

std::uintptr_t direct_map = shim::direct_map_base;

unsigned cpu() { return shim::this_cpu; }

bool mirrored_roots() { return shim::Machine::current().options().mirrored_roots; }

void spin_wait() {
    if (shim::stepped != nullptr) return shim::stepped->wait();
    if (shim::is_parallel()) return shim::spin_parallel();
    std::this_thread::yield();
}

void zero_pages(void* first, std::uint64_t count) {
    if (shim::zero_watcher != nullptr) shim::zero_watcher();
    if (reinterpret_cast<std::uintptr_t>(first) % page_size != 0) panic("zero_pages not aligned");
    for (auto* page = static_cast<std::byte*>(first); count != 0; --count, page += page_size) {
        vm::tell(page, page_size, vm::Step::write);
        std::memset(page, 0, page_size);
    }
}

void copy_page(void* to, const void* from) {
    if ((reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) %
            page_size !=
        0)
        panic("copy_page not aligned");
    vm::tell(from, page_size, vm::Step::read);
    vm::tell(to, page_size, vm::Step::write);
    std::memcpy(to, from, page_size);
}

void flush(const FlushRequest& request) {
    shim::count_flush(request);
    const shim::PausedLines paused;
    shim::Machine& machine = shim::Machine::current();
    const bool kernel = request.space->is_kernel();
    if (!request.range.start.page_aligned() || !request.range.end.page_aligned())
        panic("flush of less than a page");
    if (shim::stepped != nullptr) return shim::stepped->flush(request);
    if (shim::is_parallel()) {
        shim::flush_parallel(request);
        if (kernel) shim::mirror_again(machine, request.range);
        return;
    }
    const auto flush_root = [&](std::uint64_t root) {
        machine.mmu().flush({.root = root,
                             .ranges = {{request.range.start.value, request.range.end.value}},
                             .everything = false,
                             .tables = request.tables});
    };
    flush_root(kernel ? 0 : request.space->root().value);
    if (!kernel && mirrored_roots()) flush_root(request.space->user_root().value);
    if (kernel) shim::mirror_again(machine, request.range);
}

void kernel_mapped(VirtRange range) {
    shim::Machine& machine = shim::Machine::current();
    for (VirtAddr page = range.start; page < range.end; page = page + page_size) {
        const shim::Walk walk = machine.mmu().look(machine.kernel_root().value, page.value);
        if (!walk.translation) panic("kernel_mapped: a page is not present");
        if (walk.translation->rights.user) panic("kernel_mapped: a page is the user's");
        shim::Arena::the().mirror(page, PhysAddr{walk.translation->physical(page.value)});
    }
}

bool allocation_allowed() {
    const std::uint64_t number = shim::allocations++;
    if (number < shim::first_refused || number > shim::last_refused) return true;
    shim::refused = true;
    return false;
}

void searched_table() { ++shim::search_count.tables; }
void searched_word() { ++shim::search_count.words; }

void panic(const char* what, std::source_location where) {
    const std::string text =
        std::string(what) + " at " + where.file_name() + ":" + std::to_string(where.line());
    if (shim::stepped != nullptr) shim::stepped->panic(text);
    throw shim::Panic(text);
}

} // namespace vm::port
