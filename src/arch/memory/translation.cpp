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
#include "arch/trap/interrupts.hpp"

#include <atomic>

namespace arch {

namespace {

struct Flush {
    const vm::Translations* translations = nullptr;
    VirtRange range{};
    std::uint64_t change = 0; ///< its number among the translations'
    bool kernel = false;      ///< of the kernel's half
    bool tables = false;
};
struct alignas(64) Request {
    Flush flush;
    std::atomic<unsigned> unanswered{0};
};
struct alignas(64) Mailbox {
    vm::CpuSet askers;
};
constinit Request requests[vm::port::cpu_limit];
constinit Mailbox mailboxes[vm::port::cpu_limit];

/// A space that this CPU does not run is not cached here, or was left with fewer changes counted
/// than it has now: run_space() flushes before it is used again.
void flush_here(const Flush& flush) {
    if (flush.kernel) {
        flush_kernel_half(flush.range, flush.tables);
    } else if (this_cpu().translations == flush.translations) {
        flush_running_space(flush.range, flush.change);
    }
}

void answer(Request& request) {
    flush_here(request.flush);
    request.unanswered.fetch_sub(1, std::memory_order_release);
}

/// Asks the others that run the space, and waits for them.
void flush_others(const Flush& flush, unsigned self) {
    Request& request = requests[self];
    request.flush = flush;
    // Counted before it is told, so that an early answer can't bring the count to its end.
    request.unanswered.store(1, std::memory_order_relaxed);
    flush.translations->running.for_each([&](unsigned cpu) {
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
    load_root(area, vm::kernel_space());
    flush_everything(); // what changed until now was not told here
}

void answer_flushes() {
    vm::CpuSet& askers = mailboxes[vm::port::cpu()].askers;
    askers.take_all([](unsigned cpu) { answer(requests[cpu]); });
}

} // namespace arch

namespace vm::port {

using namespace arch;

void flush(const FlushRequest& request) {
    const unsigned self = cpu();
    Translations& translations = request.space->translations();
    const Flush flush{.translations = &translations,
                      .range = request.range,
                      .change = translations.count_change(),
                      .kernel = request.space->is_kernel(),
                      .tables = request.tables};
    flush_here(flush);
    if (translations.running.any_but(self)) flush_others(flush, self);
}

void spin_wait() {
    asm volatile("pause");
    answer_flushes();
}

} // namespace vm::port
