// SPDX-License-Identifier: MIT
// Flushing translations on every CPU that may hold them.
//
// Each CPU has one request slot, which it fills for others to read, and one set of CPUs that ask
// something of it:
//
//   who flushes: fills its request ─► sets its bit in `askers` of each CPU that runs the space
//                ─► interrupts those that had none yet ─► waits until all have answered
//   who is asked: takes the bits ─► flushes by each request ─► counts itself as answered
//
// No memory, no lock; a CPU that waits for answers gives them too (`spin_wait`).
#include "arch/memory/translation.hpp"

#include "arch/apic/interprocessor.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/trap/interrupts.hpp"

#include <atomic>

namespace arch {

namespace {

/// Above so many pages the whole TLB is cheaper to forget than page by page.
constexpr std::uint64_t single_page_limit = 32;

struct alignas(64) Request {
    const vm::Translations* translations = nullptr;
    VirtRange range{};
    bool kernel = false;
    std::atomic<unsigned> unanswered{0};
};
struct alignas(64) Mailbox {
    vm::CpuSet askers;
};
constinit Request requests[vm::port::cpu_limit];
constinit Mailbox mailboxes[vm::port::cpu_limit];

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

/// INVLPG forgets all cached table references too (SDM vol. 3A, 4.10.4.1), so a change of tables
/// needs nothing more.
void flush_here(VirtRange range, bool kernel) {
    const std::uint64_t pages = range.pages().value;
    if (pages > single_page_limit) return flush_everything(kernel);
    for (VirtAddr page = range.start; page < range.end; page = page + page_size)
        invalidate_page(page.value);
    this_cpu().flushed_pages += pages;
}

void answer(Request& request) {
    // A space that this CPU left meanwhile has nothing cached here: loading another root forgot it.
    if (request.kernel || this_cpu().translations == request.translations)
        flush_here(request.range, request.kernel);
    request.unanswered.fetch_sub(1, std::memory_order_release);
}

/// Asks the others that run the space, and waits for them.
void flush_others(const vm::port::FlushRequest& flush, unsigned self) {
    const vm::Translations& translations = flush.space->translations();
    Request& request = requests[self];
    request.translations = &translations;
    request.range = flush.range;
    request.kernel = flush.space->is_kernel();
    // Counted before it is told, so that an early answer can't bring the count to its end.
    request.unanswered.store(1, std::memory_order_relaxed);
    translations.running.for_each([&](unsigned cpu) {
        if (cpu == self) return;
        request.unanswered.fetch_add(1, std::memory_order_relaxed);
        if (mailboxes[cpu].askers.add_first(self)) send_interrupt(cpu, vector_flush);
    });
    request.unanswered.fetch_sub(1, std::memory_order_acquire);
    while (request.unanswered.load(std::memory_order_acquire) != 0) vm::port::spin_wait();
}

} // namespace

void join_kernel_space() {
    CpuArea& area = this_cpu();
    vm::Translations& kernel = vm::kernel_space().translations();
    area.translations = &kernel;
    kernel.running.add(area.number);
    load_root(area, vm::kernel_space().root().value);
    flush_everything(true); // what changed until now was not told here
}

void answer_flushes() {
    vm::CpuSet& askers = mailboxes[vm::port::cpu()].askers;
    askers.take_all([](unsigned cpu) { answer(requests[cpu]); });
}

} // namespace arch

namespace vm::port {

using namespace arch;

void flush(const FlushRequest& request) {
    const CpuArea& area = this_cpu();
    Translations& translations = request.space->translations();
    std::atomic_thread_fence(std::memory_order_seq_cst); // see Translations
    // The kernel's half is cached whatever is loaded; a space that is not loaded isn't cached.
    const bool kernel = request.space->is_kernel();
    if (kernel || area.translations == &translations) flush_here(request.range, kernel);
    if (translations.running.any_but(area.number)) flush_others(request, area.number);
}

void spin_wait() {
    asm volatile("pause");
    answer_flushes();
}

} // namespace vm::port
