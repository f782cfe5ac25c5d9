// SPDX-License-Identifier: MIT
// Disjoint work shares nothing: lines and locks of threads of one process, each in its own region.
#include "shim/check.hpp"
#include "shim/disjoint.hpp"
#include "vm/lock.hpp"

#include <doctest/doctest.h>

namespace {

using shim::all_work;
using shim::Disjoint;
using shim::LineModel;
using shim::Machine;
using shim::Work;
using shim::WorkName;

void check_nothing_common(const LineModel::Common& common) {
    for (const std::string& line : common.written) FAIL_CHECK("written by several CPUs: " << line);
    for (const std::string& line : common.disturbed)
        FAIL_CHECK("written by one CPU, read by others: " << line);
    for (const std::string& lock : common.locks) FAIL_CHECK("taken by several CPUs: " << lock);
}

} // namespace

TEST_CASE("lines: the model sees what CPUs have in common") {
    Machine machine({.zones = shim::MachineOptions::small_zones(), .cpus = 3});
    LineModel lines;
    struct alignas(64) {
        vm::SpinLock<vm::Rank::log> lock;
        vm::Atomic<std::uint64_t> beside{0};
        alignas(64) vm::Atomic<std::uint64_t> other{0};
    } data;
    const auto locked = lines.count([&] { const vm::Guard guard(data.lock); });
    CHECK(locked.locks == 1);
    CHECK(locked.lines_written == 1);
    CHECK(locked.lines_read == 0);
    lines.count([&] { data.other.store(1); });
    CHECK(lines.common().written.empty());
    CHECK(lines.common().locks.empty());
    shim::set_cpu(1);
    CHECK(lines.count([&] { static_cast<void>(data.other.load()); }).lines_read == 1);
    CHECK(lines.common().disturbed.size() == 1);
    // Another word of the lock's line is the same line.
    lines.count([&] { data.beside.fetch_add(1); });
    CHECK(lines.common().written.size() == 1);
    CHECK(lines.common().locks.empty());
    shim::set_cpu(2);
    CHECK(lines.count([&] { CHECK(data.lock.try_lock()); }).locks == 1);
    CHECK(lines.common().locks.size() == 1);
    data.lock.unlock();
    lines.forget();
    CHECK(lines.common().written.empty());
    shim::set_cpu(0);
}

TEST_CASE("lines: an operation is counted") {
    Disjoint disjoint(4);
    const auto map = disjoint.measure(Work::map).counts;
    REQUIRE(map.size() == 16);
    for (const auto& counts : map) {
        CHECK(counts.entry_writes == 1);
        CHECK(counts.locks == 1); // the table's: credit is there
        CHECK(counts.flushes == 0);
    }
    const auto unmap = disjoint.measure(Work::unmap_written).counts;
    for (const auto& counts : unmap) {
        CHECK(counts.entry_writes == 1);
        CHECK(counts.flushes == 1);
        CHECK(counts.flushed_pages == 1);
        CHECK(counts.interrupts == 3);
    }
}

TEST_CASE("lines: CPUs at work in their own regions share no line and no lock") {
    for (const unsigned cpus : {1U, 2U, 3U, 8U, 32U, 128U}) {
        CAPTURE(cpus);
        Disjoint disjoint(cpus);
        for (const WorkName& named : all_work) {
            CAPTURE(named.name);
            check_nothing_common(disjoint.measure(named.work, 2).common);
        }
        check_nothing_common(disjoint.measure_all(2));
        CHECK(shim::faults_of(disjoint.machine(), disjoint.space()) == "");
    }
}

TEST_CASE("lines: nor do they where user mode has a root of its own") {
    Disjoint disjoint(4, {.mirrored_roots = true});
    check_nothing_common(disjoint.measure_all(2));
    CHECK(shim::faults_of(disjoint.machine(), disjoint.space()) == "");
}

TEST_CASE("lines: nor where their tables become empty each time") {
    Disjoint disjoint(8, {.keeps_page = false});
    const std::uint64_t tables = disjoint.space().counts().tables;
    check_nothing_common(disjoint.measure_all(2));
    CHECK(disjoint.space().counts().tables == tables);
    CHECK(disjoint.space().counts().reclaimable == 8);
    CHECK(shim::faults_of(disjoint.machine(), disjoint.space()) == "");
}

TEST_CASE("lines: nor after frames went to and fro between their caches") {
    for (unsigned seed = 1; seed <= 5; ++seed) {
        CAPTURE(seed);
        Disjoint disjoint(8);
        disjoint.mix(4'000, 150, seed);
        check_nothing_common(disjoint.measure_all(2));
        check_nothing_common(disjoint.measure_groups(24));
        CHECK(shim::faults_of(disjoint.machine(), disjoint.space()) == "");
    }
}
