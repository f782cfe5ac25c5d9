// SPDX-License-Identifier: MIT
// Two readings of all clocks, half a millisecond apart.
#include "arch/time/calibration.hpp"

#include "arch/apic/local_apic.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "arch/time/reference_clock.hpp"

#include <array>
#include <span>

namespace arch {

namespace {

constexpr std::uint64_t windows_per_second = 2000;
constexpr unsigned attempts = 3;
constexpr unsigned readings = 4;
/// Two clocks agree when they differ by less than this part.
constexpr std::uint64_t tolerance = 64;

struct Reading {
    std::uint64_t tsc = 0;
    std::uint32_t timer = 0;
    std::array<std::uint64_t, 2> clocks{};
    std::uint64_t length = ~0ULL; ///< TSC ticks that it took
};

/// The quickest of a few readings: the others were held up by something.
Reading read_clocks(std::span<const ReferenceClock> clocks) {
    Reading best;
    for (unsigned i = 0; i < readings; ++i) {
        Reading reading;
        const std::uint64_t start = read_tsc();
        for (std::size_t clock = 0; clock < clocks.size(); ++clock)
            reading.clocks[clock] = clocks[clock].read();
        reading.timer = local_apic::timer_count();
        const std::uint64_t end = read_tsc();
        reading.length = end - start;
        reading.tsc = start + reading.length / 2;
        if (reading.length < best.length) best = reading;
    }
    return best;
}

/// Frequency of something that made `ticks` while `clock` made `elapsed`.
std::uint64_t frequency(std::uint64_t ticks, const ReferenceClock& clock, std::uint64_t elapsed) {
    return ticks * clock.frequency / elapsed; // half a millisecond's ticks: no overflow
}

bool agree(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t difference = a > b ? a - b : b - a;
    return difference < a / tolerance;
}

/// Waits until `clock` has made `ticks`; false when it seems to stand still.
bool wait(const ReferenceClock& clock, std::uint64_t start, std::uint64_t ticks) {
    constexpr unsigned polls = 50'000'000;
    for (unsigned poll = 0; poll < polls; ++poll) {
        if (((clock.read() - start) & clock.mask) >= ticks) return true;
    }
    return false;
}

} // namespace

Frequencies measure_frequencies() {
    std::span<const ReferenceClock> clocks = find_reference_clocks();
    Frequencies result;
    for (unsigned attempt = 0; attempt < attempts; ++attempt) {
        local_apic::start_timer(0xffff'ffff);
        const Reading first = read_clocks(clocks);
        if (!wait(clocks[0], first.clocks[0], clocks[0].frequency / windows_per_second)) {
            if (clocks.size() == 1) panic("no clock runs to measure the processor's against");
            log("clock: the {} stands still", clocks[0].name);
            clocks = clocks.subspan(1);
            continue;
        }
        const Reading last = read_clocks(clocks);
        local_apic::start_timer(0);

        const auto elapsed = [&](std::size_t clock) {
            return (last.clocks[clock] - first.clocks[clock]) & clocks[clock].mask;
        };
        const std::uint64_t ticks = last.tsc - first.tsc;
        result.tsc = frequency(ticks, clocks[0], elapsed(0));
        result.timer = frequency(first.timer - last.timer, clocks[0], elapsed(0));
        if (clocks.size() == 1) break;
        const std::uint64_t other = elapsed(1) == 0 ? 0 : frequency(ticks, clocks[1], elapsed(1));
        if (agree(result.tsc, other)) break;
        log("clock: TSC at {} kHz by {}, {} kHz by {}", result.tsc / 1000, clocks[0].name,
            other / 1000, clocks[1].name);
    }
    log("clock: TSC {} kHz, timer {} kHz, by {}", result.tsc / 1000, result.timer / 1000,
        clocks[0].name);
    return result;
}

} // namespace arch
