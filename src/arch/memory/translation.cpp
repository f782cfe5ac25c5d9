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
#include "arch/trap/interrupts.hpp"

#include <atomic>

namespace arch {

namespace {

struct alignas(64) Request {
    const vm::Translations* translations = nullptr;
    VirtRange range{};
    std::uint64_t change = 0; ///< its number among the translations'
    bool kernel = false;      ///< of the kernel's half
    bool tables = false;
    std::atomic<unsigned> unanswered{0};
};
struct alignas(64) Mailbox {
    vm::CpuSet askers;
};
constinit Request requests[vm::port::cpu_limit];
constinit Mailbox mailboxes[vm::port::cpu_limit];

void answer(Request& request) {
    CpuArea& area = this_cpu();
    // A space that this CPU left was left with fewer changes counted than it has now: it is flushed
    // when it is run again.
    if (request.kernel) {
        flush_kernel_half(area, request.range, request.tables);
    } else if (area.translations == request.translations) {
        flush_running_space(area, request.range, request.change);
    }
    request.unanswered.fetch_sub(1, std::memory_order_release);
}

/// Asks the others that run the space, and waits for them.
[[gnu::noinline]] void flush_others(const vm::port::FlushRequest& flush, std::uint64_t change,
                                    unsigned self) {
    const vm::Translations& translations = flush.space->translations();
    Request& request = requests[self];
    request.translations = &translations;
    request.range = flush.range;
    request.change = change;
    request.kernel = flush.space->is_kernel();
    request.tables = flush.tables;
    // Counted before it is told, so that an early answer can't bring the count to its end.
    request.unanswered.store(1, std::memory_order_relaxed);
    translations.running.for_each([&](unsigned cpu) {
        if (cpu == self) return;
        request.unanswered.fetch_add(1, std::memory_order_relaxed);
        if (mailboxes[cpu].askers.add_first(self)) send_interrupt(cpu, vector_flush);
    });
    request.unanswered.fetch_sub(1, std::memory_order_acquire);
    while (request.unanswered.load(std::memory_order_acquire) != 0) vm::port::spin_wait();
    // Then trap_user_return_work lets the others go first.
    if (this_cpu().thread != nullptr) this_cpu().user_return_work = 1;
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
    CpuArea& area = this_cpu();
    Translations& translations = request.space->translations();
    const std::uint64_t change = translations.count_change();
    // The kernel's half is cached whatever is loaded; for the rest see answer().
    if (request.space->is_kernel()) {
        flush_kernel_half(area, request.range, request.tables);
    } else if (area.translations == &translations) {
        flush_running_space(area, request.range, change);
    }
    if (translations.running.any_but(area.number)) flush_others(request, change, area.number);
}

void spin_wait() {
    asm volatile("pause");
    answer_flushes();
}

} // namespace vm::port
