// SPDX-License-Identifier: MIT
// Samples: sorted, summed up and printed.
#include "user/bench/samples.hpp"

#include "lib/format.hpp"
#include "user/lib/print.hpp"

#include <algorithm>

namespace bench {

namespace {

bool failed = false;

/// A quotient with one decimal, or none where that would be 0.
void write_tenths(std::uint64_t dividend, std::uint64_t divisor, lib::TextWriter& text) {
    const std::uint64_t tenths = (dividend * 10 + divisor / 2) / divisor;
    text.format("{}", tenths / 10);
    if (tenths % 10 != 0) text.format(".{}", tenths % 10);
}

} // namespace

std::uint64_t time_stamp_cost() {
    static std::uint64_t cost = 0;
    if (cost != 0) return cost;
    cost = ~std::uint64_t{0};
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t begun = time_stamp();
        const std::uint64_t ended = time_stamp();
        cost = std::min(cost, ended - begun);
    }
    return cost;
}

Samples::Samples(std::size_t capacity) : cost_(time_stamp_cost()) {
    times_.reserve(capacity);
    for (std::size_t i = 0; i < capacity; ++i) times_.push(0);
}

bool Samples::print(std::string_view name, std::uint64_t operations) {
    if (count_ == 0) {
        fail(name, "no samples");
        return false;
    }
    const std::span<std::uint64_t> times = times_.span().first(count_);
    std::ranges::sort(times);
    std::uint64_t sum = 0;
    for (const std::uint64_t time : times) sum += time;
    lib::FixedText<160> line;
    line.format("{}\t{}\t", name, count_ * operations);
    write_tenths(times[count_ / 2], operations, line);
    line.append("\t");
    write_tenths(times[0], operations, line);
    line.append("\t");
    write_tenths(sum, count_ * operations, line);
    user::print("{}\n", line.view());
    mark<Mark::printed>();
    return true;
}

void fail(std::string_view row, std::string_view why) {
    failed = true;
    user::print("# FAIL {}: {}\n", row, why);
}

bool has_failed() { return failed; }

void leave_out(std::string_view row, std::string_view why) {
    user::print("# left out {}: {}\n", row, why);
}

} // namespace bench
