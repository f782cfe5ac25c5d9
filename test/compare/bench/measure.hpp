// SPDX-License-Identifier: MIT
// One measured operation after another. Between two marks a plugin of QEMU counts instructions and
// memory accesses (tools/count_plugin.cpp); without it, `timing`, the clock is read.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

namespace compare {

/// NOPs that nothing else has: before an operation, and after it.
#define COMPARE_MARK(number)                                                                       \
    __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'T', 'a', 'b', '" number "'" ::: "memory")

class Measure {
public:
    explicit Measure(bool timing) : timing_(timing) {
        if (!timing_) return;
        for (unsigned n = 0; n < 1000; ++n) run([] {});
        empty_ = figures_.front();
        for (const double figure : figures_)
            if (figure < empty_) empty_ = figure;
        figures_.clear();
    }

    template <typename Operation>
    void run(Operation operation) {
        using Clock = std::chrono::steady_clock;
        const Clock::time_point start = timing_ ? Clock::now() : Clock::time_point{};
        COMPARE_MARK("1");
        operation();
        COMPARE_MARK("2");
        ++count_;
        if (!timing_) return;
        const std::chrono::duration<double, std::nano> took = Clock::now() - start;
        figures_.push_back(took.count());
    }
    /// Prints the operations since the last row as one, "WORK.STRUCTURE" and: how many there were;
    /// with `timing` "ops median min mean" in nanoseconds instead.
    void row(std::string_view work, std::string_view structure);
    /// A row that is a figure by itself, the same in both modes: printed with `timing` only.
    void figure(std::string_view work, std::string_view structure, double value) const;

private:
    const bool timing_;
    std::size_t count_ = 0;
    double empty_ = 0; ///< what reading the clock takes
    std::vector<double> figures_;
};

} // namespace compare
