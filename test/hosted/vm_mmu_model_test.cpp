// SPDX-License-Identifier: MIT
// The judge judged: the model of the MMU against the SDM's rules, on hand-made tables.
#include "shim/mmu.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace {

using namespace shim;

constexpr std::uint64_t p = bits::present;
constexpr std::uint64_t w = bits::read_write;
constexpr std::uint64_t u = bits::user_supervisor;
constexpr std::uint64_t xd = bits::execute_disable;

/// A few pages of memory from address 0; tables at 0x1000, 0x2000 …
class Tables {
public:
    std::uint64_t& word(std::uint64_t address) { return words_.at(address / 8); }
    Memory memory() {
        return [this](std::uint64_t address) { return &word(address); };
    }
    /// Links 0x1000 (root) down to 0x4000 (leaf table), all rights, for addresses below 2 MiB.
    void chain() {
        word(0x1000) = 0x2000 | p | w | u;
        word(0x2000) = 0x3000 | p | w | u;
        word(0x3000) = 0x4000 | p | w | u;
    }

private:
    std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(0x8000 / 8);
};

struct Bench {
    explicit Bench(Processor processor = {}) : mmu(processor, tables.memory(), 2) {
        tables.chain();
        mmu.load_root(0, 0x1000);
        mmu.load_root(1, 0x1000);
    }
    std::uint64_t& leaf(std::uint64_t page) { return tables.word(0x4000 + 8 * page); }
    /// The physical address, or the negated error code less 1.
    std::int64_t access(std::uint64_t address, Operation operation, bool user = true,
                        bool alignment_check = false, unsigned cpu = 0) {
        const Outcome outcome = mmu.access(cpu, {address, operation, user, alignment_check});
        if (const auto* physical = std::get_if<std::uint64_t>(&outcome))
            return static_cast<std::int64_t>(*physical);
        REQUIRE(std::holds_alternative<PageFault>(outcome));
        return -1 - static_cast<std::int64_t>(std::get<PageFault>(outcome).code);
    }
    Tables tables;
    Mmu mmu;
};

constexpr std::int64_t fault(std::uint32_t code) { return -1 - static_cast<std::int64_t>(code); }

} // namespace

TEST_CASE("MMU model: translations and error codes of 4.7") {
    Bench bench;
    CHECK(bench.access(0x3123, Operation::read) == fault(fault_code::user));
    CHECK(bench.access(0x3123, Operation::write) == fault(fault_code::user | fault_code::write));
    CHECK(bench.access(0x3123, Operation::execute) == fault(fault_code::user | fault_code::fetch));
    CHECK(bench.access(0x3123, Operation::read, false) == fault(0));
    bench.leaf(3) = 0x77000 | p | u | xd;
    CHECK(bench.access(0x3123, Operation::read) == 0x77123);
    CHECK(bench.access(0x3123, Operation::write) == fault(7));
    CHECK(bench.access(0x3123, Operation::execute) == fault(0x15));
    bench.leaf(4) = 0x78000 | p | w;
    CHECK(bench.access(0x4000, Operation::read) == fault(5));
    CHECK(bench.access(0x4000, Operation::write, false) == 0x78000);
    CHECK(bench.access(0x4fff, Operation::execute, false) == 0x78fff);
    CHECK(std::holds_alternative<GeneralProtection>(
        bench.mmu.access(0, {0x0000800000000000, Operation::read, true})));
    CHECK(std::holds_alternative<GeneralProtection>(
        bench.mmu.access(0, {0xfffeffffffffffff, Operation::read, false})));
    CHECK(bench.access(0xffff800000000000, Operation::read, false) == fault(0));
}

TEST_CASE("MMU model: rights are those of all entries on the way") {
    for (const std::uint64_t table : {0x1000U, 0x2000U, 0x3000U}) {
        for (const std::uint64_t bit : {w, u}) {
            Bench bench;
            bench.leaf(0) = 0x77000 | p | w | u;
            bench.tables.word(table) &= ~bit;
            CHECK(bench.access(0, Operation::write) == fault(7));
            CHECK((bench.access(0, Operation::read) == 0x77000) == (bit == w));
        }
        Bench bench;
        bench.leaf(0) = 0x77000 | p | w | u;
        bench.tables.word(table) |= xd;
        CHECK(bench.access(0, Operation::execute) == fault(0x15));
        CHECK(bench.access(0, Operation::write) == 0x77000);
    }
}

TEST_CASE("MMU model: supervisor accesses under WP, SMEP and SMAP") {
    Processor plain{.write_protect = false, .smep = false, .smap = false};
    Bench old(plain);
    old.leaf(0) = 0x77000 | p | u;
    CHECK(old.access(0, Operation::write, false) == 0x77000);
    CHECK(old.access(0, Operation::execute, false) == 0x77000);
    CHECK(old.access(0, Operation::write) == fault(7));
    Bench bench;
    bench.leaf(0) = 0x77000 | p | w | u;
    bench.leaf(1) = 0x78000 | p;
    CHECK(bench.access(0, Operation::read, false) == fault(1));
    CHECK(bench.access(0, Operation::write, false) == fault(3));
    CHECK(bench.access(0, Operation::read, false, true) == 0x77000);
    CHECK(bench.access(0, Operation::write, false, true) == 0x77000);
    CHECK(bench.access(0, Operation::execute, false, true) == fault(0x11));
    CHECK(bench.access(0x1000, Operation::write, false) == fault(3));
}

TEST_CASE("MMU model: reserved bits of every level") {
    const auto faults = [](Processor processor, std::uint64_t table, std::uint64_t set) {
        Bench bench(processor);
        bench.leaf(0) = 0x77000 | p | w | u;
        bench.tables.word(table) |= set;
        return bench.access(0, Operation::read) == fault(0xd);
    };
    for (const std::uint64_t table : {0x1000U, 0x2000U, 0x3000U, 0x4000U}) {
        CHECK(faults({}, table, 1ULL << 40));
        CHECK(faults({}, table, 1ULL << 51));
        CHECK(faults({.no_execute = false, .smep = false}, table, xd));
        for (const unsigned available : {9U, 10U, 11U, 52U, 57U, 58U, 59U, 62U})
            CHECK_FALSE(faults({}, table, 1ULL << available));
    }
    CHECK(faults({}, 0x1000, bits::page_size));
    CHECK(faults({.gib_pages = false}, 0x2000, bits::page_size));
    CHECK(faults({}, 0x2000, bits::page_size | 1ULL << 29));
    CHECK(faults({}, 0x3000, bits::page_size | 1ULL << 20));
    CHECK_FALSE(faults({}, 0x4000, bits::page_size)); // PAT
}

TEST_CASE("MMU model: large pages, and five levels") {
    Bench bench;
    bench.tables.word(0x3000) = 0x40000000 | p | w | u | bits::page_size;
    CHECK(bench.access(0x1fffff, Operation::write) == 0x401fffff);
    CHECK((bench.tables.word(0x3000) & bits::dirty) != 0);
    Bench huge;
    huge.tables.word(0x2000) = 0x80000000 | p | u | bits::page_size;
    CHECK(huge.access(0x12345678, Operation::read) == 0x92345678);
    CHECK(huge.access(0x12345678, Operation::write) == fault(7));
    Bench five({.levels = 5});
    five.tables.word(0x5000) = 0x1000 | p | w | u;
    five.leaf(9) = 0x77000 | p | u;
    five.mmu.load_root(0, 0x5000);
    CHECK(five.access(0x9008, Operation::read) == 0x77008);
    CHECK(five.access(0x00ff000000000000, Operation::read) == fault(4));
}

TEST_CASE("MMU model: accessed and dirty flags, as 4.8 says") {
    Bench bench;
    bench.leaf(0) = 0x77000 | p | w | u;
    CHECK(bench.access(0, Operation::read) == 0x77000);
    for (const std::uint64_t table : {0x1000U, 0x2000U, 0x3000U, 0x4000U})
        CHECK((bench.tables.word(table) & bits::accessed) != 0);
    CHECK((bench.leaf(0) & bits::dirty) == 0);
    CHECK(bench.access(8, Operation::write) == 0x77008);
    CHECK((bench.leaf(0) & bits::dirty) != 0);
    // A refused access leaves no dirty flag.
    bench.leaf(1) = 0x78000 | p | u;
    CHECK(bench.access(0x1000, Operation::write) == fault(7));
    CHECK((bench.leaf(1) & (bits::dirty | bits::accessed)) == 0);
}

TEST_CASE("MMU model: a TLB keeps what it has until told, or until it faults") {
    Bench bench;
    bench.leaf(0) = 0x77000 | p | w | u;
    CHECK(bench.access(0, Operation::write) == 0x77000);
    CHECK(bench.mmu.stale(0x1000).empty());
    bench.leaf(0) = 0;
    CHECK(bench.access(0, Operation::write) == 0x77000);
    CHECK(bench.mmu.stale(0x1000).size() == 1);
    bench.mmu.flush({0x1000, {{0x1000, 0x2000}}, false, true});
    CHECK(bench.mmu.stale(0x1000).size() == 1);
    bench.mmu.flush({0x6000, {{0, 0x1000}}, false, true});
    CHECK(bench.mmu.stale(0x1000).size() == 1);
    bench.mmu.flush({0x1000, {{0, 0x1000}}, false, false});
    CHECK(bench.mmu.stale(0x1000).empty());
    CHECK(bench.access(0, Operation::write) == fault(6));
    // Fewer rights than cached are as bad; more are not, and cost one fault at most.
    bench.leaf(0) = 0x77000 | p | u | bits::dirty;
    CHECK(bench.access(0, Operation::read) == 0x77000);
    bench.leaf(0) |= w;
    CHECK(bench.mmu.stale(0x1000).empty());
    CHECK(bench.access(0, Operation::write) == fault(7));
    CHECK(bench.access(0, Operation::write) == 0x77000);
    bench.leaf(0) &= ~w;
    CHECK(bench.mmu.stale(0x1000).size() == 1);
}

TEST_CASE("MMU model: table references are cached on their own") {
    Bench bench;
    bench.leaf(0) = 0x77000 | p | w | u;
    bench.tables.word(0x6008) = 0x99000 | p | w | u;
    CHECK(bench.access(0, Operation::read) == 0x77000);
    bench.tables.word(0x3000) = 0x6000 | p | w | u | bits::accessed;
    bench.leaf(1) = 0x78000 | p | u;
    // The old leaf table still answers, for a page that was never touched.
    CHECK(bench.access(0x1000, Operation::read) == 0x78000);
    CHECK_FALSE(bench.mmu.stale(0x1000).empty());
    bench.mmu.flush({0x1000, {{0, 0x2000}}, false, false});
    CHECK(bench.access(0x1000, Operation::read) == 0x78000);
    bench.mmu.flush({0x1000, {{0, 0x2000}}, false, true});
    CHECK(bench.access(0x1000, Operation::read) == 0x99000);
    CHECK(bench.mmu.stale(0x1000).empty());
}

TEST_CASE("MMU model: another root takes all but global translations away") {
    Bench bench;
    bench.leaf(0) = 0x77000 | p;
    bench.leaf(1) = 0x78000 | p | bits::global;
    CHECK(bench.access(0, Operation::read, false) == 0x77000);
    CHECK(bench.access(0x1000, Operation::read, false) == 0x78000);
    bench.mmu.load_root(0, 0x5000);
    CHECK(bench.access(0, Operation::read, false) == fault(0));
    CHECK(bench.access(0x1000, Operation::read, false) == 0x78000);
    bench.mmu.flush({0x5000, {}, true, true});
    CHECK(bench.access(0x1000, Operation::read, false) == 0x78000);
    bench.mmu.flush({0, {{0x1000, 0x2000}}, false, false});
    CHECK(bench.access(0x1000, Operation::read, false) == fault(0));
}

TEST_CASE("MMU model: prefetch caches all that is present, without dirty flags") {
    Bench bench;
    for (std::uint64_t page = 0; page < 512; page += 3) bench.leaf(page) = 0x1000 * page | p | u;
    bench.mmu.prefetch(1);
    CHECK((bench.leaf(3) & bits::accessed) != 0);
    CHECK((bench.leaf(3) & bits::dirty) == 0);
    for (std::uint64_t page = 0; page < 512; page += 3) bench.leaf(page) = 0;
    CHECK(bench.mmu.stale(0x1000).size() == 171);
    CHECK(bench.access(0x3000, Operation::read, true, false, 1) == 0x3000);
    CHECK(bench.access(0x3000, Operation::read) == fault(4));
}
