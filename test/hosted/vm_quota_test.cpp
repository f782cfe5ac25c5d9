// SPDX-License-Identifier: MIT
// Quotas: exact to the page, nested, and there as long as somebody counts against them.
#include "shim/check.hpp"
#include "shim/payer.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace vm;
using shim::committed_warm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::MachineOptions;
using shim::Payer;
using shim::quota_of;
using shim::Space;

constexpr std::uint64_t gib = 1ULL << 30;

MapRequest fixed(std::uint64_t address, std::uint64_t pages, bool noreserve = false) {
    return {.address = VirtAddr{address},
            .pages = {pages},
            .placement = Placement::fixed,
            .noreserve = noreserve};
}

} // namespace

TEST_CASE("a quota keeps one space from taking all, to the page") {
    Machine machine({.cpus = 2});
    const std::uint64_t before = committed_warm();
    {
        const QuotaRef quota = quota_of(60);
        Space poor(machine, quota.get());
        Space other(machine);
        CHECK(poor->map(fixed(gib, 100)).error() == Error::limit_reached);
        CHECK(other->map(fixed(gib, 100)).ok());
        CHECK(poor->map(fixed(gib, 40)).ok());
        CHECK(poor->map(fixed(2 * gib, 40)).error() == Error::limit_reached);
        const std::uint64_t left = 60 - quota.get()->charged().value;
        // Two more tables for the last range, one of them with a summary.
        const Likeness full = Likeness::of(*poor);
        CHECK(poor->map(fixed(2 * gib, left - 2)).error() == Error::limit_reached);
        CHECK(Likeness::of(*poor) == full);
        CHECK(poor->map(fixed(2 * gib, left - 3)).ok());
        CHECK(quota.get()->charged().value == 60);
        for (std::uint64_t n = 0; n < 40; ++n)
            REQUIRE(machine.write_word(*poor, VirtAddr{gib + n * page_size}, n) ==
                    Resolution::resolved);
        CHECK(faults_of(machine, *poor) == "");
    }
    CHECK(committed().value == before);
}

TEST_CASE("uncharged memory ends at the quota, with a word of its own") {
    Machine machine;
    const QuotaRef quota = quota_of(50);
    Space space(machine, quota.get());
    REQUIRE(space->map(fixed(gib, 1000, true)).ok());
    std::uint64_t written = 0;
    while (machine.write_word(*space, VirtAddr{gib + written * page_size}, written) ==
           Resolution::resolved)
        ++written;
    CHECK(quota.get()->charged().value == 50);
    CHECK(written == 50 - space->counts().table_charge);
    CHECK(machine.write_word(*space, VirtAddr{gib + written * page_size}, 1) ==
          Resolution::over_quota);
    CHECK(space->populate({VirtAddr{gib + 500 * page_size}, VirtAddr{gib + 501 * page_size}})
              .error() == Error::limit_reached);
    CHECK(machine.read_word(*space, VirtAddr{gib + 7 * page_size}) == 7);
}

TEST_CASE("quotas in quotas: a charge counts in all of them") {
    Machine machine({.cpus = 2, .commit_limit = {1000}});
    const std::uint64_t start = committed_warm();
    {
        const QuotaRef outer = quota_of(200);
        const QuotaRef left = quota_of(150, outer);
        const QuotaRef right = quota_of(150, outer);
        CHECK(outer.get()->charged().value == 2); // for the two below it
        Payer a(left);
        Payer b(right);
        Payer c(outer);
        REQUIRE(a.charge({120}).ok());
        CHECK(a.charge({31}).error() == Error::limit_reached);
        shim::set_cpu(1);
        REQUIRE(b.charge({70}).ok());
        CHECK(outer.get()->charged().value == 192);
        CHECK(left.get()->charged().value == 120);
        CHECK(b.charge({9}).error() == Error::limit_reached);
        CHECK(c.charge({9}).error() == Error::limit_reached);
        CHECK(c.charge({8}).ok());
        shim::set_cpu(0);
        a.release({20});
        CHECK(b.charge({20}).ok());
        a.release({100});
        b.release({90});
        c.release({8});
    }
    CHECK(committed().value == start);
}

TEST_CASE("a quota is no larger than the one above it, and stays while it is used") {
    Machine machine({.commit_limit = {1000}});
    CHECK(QuotaRef::make({}, {1001}).error() == Error::not_permitted);
    CHECK(QuotaRef().limit().value == 1000);
    QuotaRef inner;
    {
        const QuotaRef outer = quota_of(100);
        CHECK(QuotaRef::make(outer, {101}).error() == Error::not_permitted);
        inner = quota_of(100, outer);
        CHECK(inner.limit().value == 100);
    }
    // Nobody else refers to the outer one any more, and it still holds: a page of it is the
    // inner's.
    Payer payer(inner);
    CHECK(payer.charge({100}).error() == Error::limit_reached);
    REQUIRE(payer.charge({99}).ok());
    CHECK(QuotaRef::make(inner, {1}).error() == Error::limit_reached);
    payer.release({99});
    // Each that is made in the last takes a page, so they end.
    unsigned depth = 0;
    for (;; ++depth) {
        auto next = QuotaRef::make(inner, inner.limit());
        if (!next) break;
        payer.settle();
        inner = std::move(*next);
        payer.count_against(inner.get());
    }
    CHECK(depth == 99);
}

TEST_CASE("a quota that can't be made leaves nothing") {
    for (std::uint64_t allowed = 0; allowed < 20; ++allowed) {
        Machine machine({.zones = MachineOptions::small_zones()});
        const QuotaRef outer = quota_of(10);
        const std::uint64_t before = outer.get()->charged().value;
        std::vector<QuotaRef> made;
        shim::fail_allocations_after(allowed);
        for (;;) {
            auto next = QuotaRef::make(outer, {5});
            if (!next) {
                const Error wanted =
                    shim::allow_allocations() ? Error::no_memory : Error::limit_reached;
                CHECK(next.error() == wanted);
                break;
            }
            made.push_back(std::move(*next));
        }
        CHECK(outer.get()->charged().value == before + made.size());
        made.clear();
        CHECK(outer.get()->charged().value == before);
    }
}
