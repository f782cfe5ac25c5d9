// SPDX-License-Identifier: MIT
// What the parallel suites share: the machine, how much they do, and random numbers of a CPU's own.
#pragma once

#include "shim/check.hpp"
#include "shim/parallel.hpp"
#include "shim/seeds.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace parallel {

inline constexpr unsigned cpus = 4;

/// A machine for a test: few frames, quick to make.
struct FourCpus : shim::Machine {
    FourCpus()
        : shim::Machine(
              {.zones = shim::MachineOptions::small_zones(), .cpus = cpus, .processor = {}}) {}
};

/// Rounds of a test: so many, and twenty times as many in `make test-long`.
inline unsigned rounds(unsigned number) { return shim::runs_long() ? number * 20 : number; }

/// Random numbers: another sequence on each CPU.
class Random {
public:
    explicit Random(unsigned cpu) : engine_(cpu + 1) {}
    /// At least `low`, at most `high`.
    std::uint64_t from(std::uint64_t low, std::uint64_t high) {
        return std::uniform_int_distribution(low, high)(engine_);
    }
    bool one_in(std::uint64_t number) { return from(1, number) == 1; }

private:
    std::mt19937_64 engine_;
};

/// Ends the run unless it holds.
inline void expect(bool holds, const char* what) {
    if (!holds) shim::complain(what);
}
/// Ends the run unless it is done, or refused for the one reason that is allowed.
template <typename T>
void expect_done_or(const Result<T>& result, Error allowed, const char* what) {
    if (!result.ok() && result.error() != allowed)
        shim::complain(std::string(what) + ": " + describe(result.error()));
}
template <typename T>
void expect_done(const Result<T>& result, const char* what) {
    if (!result.ok()) shim::complain(std::string(what) + ": " + describe(result.error()));
}

constexpr VirtRange pages_at(VirtAddr start, std::uint64_t pages) {
    return {start, start + pages * page_size};
}

/// Runs body(space, cpu) on all CPUs, which run the same space; and what must be so afterwards: no
/// CPU has anything stale, nothing was freed too early, and all that was taken comes back.
template <typename Body>
void in_one_space(Body body) {
    FourCpus machine;
    const shim::Totals before = shim::Totals::now();
    {
        shim::Space space(machine);
        CHECK(shim::run_parallel(machine, cpus, [&](unsigned cpu) {
                  const shim::Running running(*space);
                  body(*space, cpu);
              }) == "");
        CHECK(shim::faults_of(machine, *space) == "");
    }
    CHECK(machine.complaints(vm::kernel_space()) == "");
    CHECK(shim::Totals::now() == before);
}

/// The border between two page tables, and between two page directories.
inline constexpr VirtAddr border{0x40'0000'0000};

} // namespace parallel
