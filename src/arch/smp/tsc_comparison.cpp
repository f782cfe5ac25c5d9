// SPDX-License-Identifier: MIT
// Questions and answers through one word; both sides wait for it to change.
#include "arch/smp/tsc_comparison.hpp"

#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "proc/port.hpp"

namespace arch {

namespace {

// Enough for one exchange that nothing delays; few where each takes long, as with emulated
// processors that take turns.
constexpr unsigned exchanges_max = 64;
constexpr unsigned exchanges_min = 4;
constexpr std::uint64_t measuring_time = 500'000; // nanoseconds
constexpr std::uint64_t patience = 1'000'000'000; // nanoseconds, for one answer

} // namespace

bool TscComparison::put(Question question) {
    question_.store(question, std::memory_order_release);
    const std::uint64_t start = proc::port::now();
    while (question_.load(std::memory_order_acquire) != Question::none) {
        asm volatile("pause");
        if (proc::port::now() - start > patience) return false;
    }
    return true;
}

bool TscComparison::measure(lib::ClockOffset& offset) {
    const std::uint64_t start = proc::port::now();
    for (unsigned i = 0; i < exchanges_max; ++i) {
        const std::uint64_t asked = read_tsc_in_order();
        if (!put(Question::time)) return false;
        const std::uint64_t returned = read_tsc_in_order();
        offset.add({.asked = asked, .answered = answer_, .returned = returned});
        if (i >= exchanges_min && proc::port::now() - start > measuring_time) break;
    }
    return true;
}

bool TscComparison::ask() {
    if (!measure(found_)) return false;
    if (found_.differ()) {
        counted_with_ = found_.ahead();
        if (cpu_features().tsc_adjust) {
            if (!put(Question::adjust)) return false;
            lib::ClockOffset left;
            if (!measure(left)) return false;
            counted_with_ = left.differ() ? left.ahead() : 0;
        }
    }
    return put(Question::finish);
}

bool TscComparison::answer_one() {
    const Question question = question_.load(std::memory_order_acquire);
    switch (question) {
    case Question::none: asm volatile("pause"); return true;
    case Question::time: answer_ = read_tsc_in_order(); break;
    case Question::adjust:
        write_msr(Msr::tsc_adjust,
                  read_msr(Msr::tsc_adjust) - static_cast<std::uint64_t>(found_.ahead()));
        break;
    case Question::finish:
        this_cpu().clock_start =
            cpu_areas[0]->clock_start + static_cast<std::uint64_t>(counted_with_);
        break;
    }
    question_.store(Question::none, std::memory_order_release);
    return question != Question::finish;
}

} // namespace arch
