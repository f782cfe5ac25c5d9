// SPDX-License-Identifier: MIT
// Time stamps and samples: what an operation costs, less what reading the counter costs.
#pragma once

#include "user/lib/time_stamp.hpp"
#include "user/lib/vector.hpp"

#include <cstdint>
#include <string_view>

namespace bench {

using user::time_stamp;

/// What two adjacent time stamps read apart; measured once.
std::uint64_t time_stamp_cost();

/// Samples of one row. Their memory is there, and touched, before measuring begins.
class Samples {
public:
    explicit Samples(std::size_t capacity);
    /// Adds the time between two stamps. Samples beyond the capacity are dropped.
    void add(std::uint64_t begun, std::uint64_t ended) {
        const std::uint64_t time = ended - begun;
        if (count_ < times_.size()) times_[count_++] = time > cost_ ? time - cost_ : 0;
        mark<Mark::added>();
    }
    /// A figure that has nothing to do with stamps.
    void add_figure(std::uint64_t figure) {
        if (count_ < times_.size()) times_[count_++] = figure;
    }
    /// Prints `name ops median min mean`, a sample being `operations` operations. Without samples
    /// says so and gives false.
    bool print(std::string_view name, std::uint64_t operations = 1);

private:
    /// Stores that `make profile` sees, outside of all that is measured.
    enum class Mark : std::uint16_t { added = 0xb59d, printed = 0xb59e };
    template <Mark what>
    void mark() {
        asm volatile("movw %1, %0" : "=m"(mark_) : "i"(static_cast<std::uint16_t>(what)));
    }

    std::uint16_t mark_ = 0;
    std::uint64_t cost_;
    std::size_t count_ = 0;
    user::Vector<std::uint64_t> times_;
};

/// Says that a row could not be measured; the program's status tells it too.
void fail(std::string_view row, std::string_view why);
bool has_failed();
/// Says that there is nothing to measure a row with: no failure of what is measured.
void leave_out(std::string_view row, std::string_view why);

} // namespace bench
