// SPDX-License-Identifier: MIT
// Every operation over every two neighbouring states, on both sides of a table's border: all of it
// happens, page by page, or nothing does.
#include "shim/check.hpp"
#include "vm/space.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Likeness;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

enum class State {
    hole,
    lazy,
    reserved,
    read_only,
    zeros,
    written,
    written_read_only,
    parked,
    guard,
    window,
    blocks,
    blocks_read_only,
    blocks_parked
};
constexpr State all_states[] = {
    State::hole,  State::lazy,    State::reserved,          State::read_only,
    State::zeros, State::written, State::written_read_only, State::parked,
    State::guard, State::window};

/// What a page is seen as.
struct Page {
    EntryKind kind = EntryKind::empty;
    Access access{};
    Ceiling ceiling{};
    bool shared = false;
    bool operator==(const Page&) const = default;
};

struct Site {
    Machine& machine;
    Space& space;
    PhysAddr device;

    void make(State state, std::uint64_t start, std::uint64_t bytes) {
        if (state == State::hole) return;
        const VirtRange range = range_of(start, bytes);
        if (state == State::window) {
            REQUIRE(space
                        ->map_window({.frames = device,
                                      .address = range.start,
                                      .pages = range.pages(),
                                      .placement = Placement::fixed})
                        .ok());
            return;
        }
        REQUIRE(
            space
                ->map({.address = range.start,
                       .pages = range.pages(),
                       .placement = Placement::fixed,
                       .access = state == State::read_only ? Access::read() : Access::read_write(),
                       .noreserve = state == State::reserved,
                       .guard = state == State::guard,
                       .huge = state >= State::blocks})
                .ok());
        if (state >= State::blocks) return make_blocks(state, range);
        const bool written =
            state == State::written || state == State::written_read_only || state == State::parked;
        for (VirtAddr page = range.start; page < range.end && bytes < mib;
             page = page + page_size) {
            if (state == State::zeros) CHECK(machine.read_word(*space, page) == 0);
            if (written)
                REQUIRE(machine.write_word(*space, page, page.value) == Resolution::resolved);
        }
        if (state == State::written_read_only) REQUIRE(space->protect(range, Access::read()).ok());
        if (state == State::parked) REQUIRE(space->protect(range, Access::none()).ok());
    }
    void make_blocks(State state, VirtRange range) {
        for (VirtAddr page = range.start; page < range.end; page = page + 2 * mib) {
            REQUIRE(machine.write_word(*space, page, page.value) == Resolution::resolved);
            REQUIRE((*space).locate(page).level == block_level);
        }
        if (state == State::blocks_read_only) REQUIRE(space->protect(range, Access::read()).ok());
        if (state == State::blocks_parked) REQUIRE(space->protect(range, Access::none()).ok());
    }
    Page see(std::uint64_t page) const {
        const auto [entry, level] = (*space).locate(VirtAddr{page});
        return {entry.kind(level),
                entry.kind(level) == EntryKind::parked ? Access{} : entry.access(),
                entry.intent().ceiling, entry.is_shared()};
    }
};

struct Act {
    const char* name;
    /// Gives the error, Error{} if it went well.
    std::function<Error(Site&, VirtRange)> run;
    /// Whether the page allows it.
    std::function<bool(const Page&)> allows;
    /// What becomes of it.
    std::function<Page(const Page&)> after;
};

Page with_access(Page page, Access access) {
    if (page.kind == EntryKind::callback) return page;
    const bool none = access == Access::none();
    if (page.kind == EntryKind::leaf && none) page.kind = EntryKind::parked;
    if (page.kind == EntryKind::parked && !none) page.kind = EntryKind::leaf;
    page.access = access;
    return page;
}

bool private_page(const Page& page) {
    return (page.kind == EntryKind::leaf || page.kind == EntryKind::parked) && !page.shared;
}

Act protect_to(const char* name, Access access) {
    return {name,
            [access](Site& site, VirtRange range) {
                return site.space->protect(range, access).error();
            },
            [access](const Page& page) {
                return page.kind != EntryKind::empty && page.ceiling.allows(access);
            },
            [access](const Page& page) { return with_access(page, access); }};
}

Act map_over(const char* name, Placement placement, bool window) {
    return {name,
            [=](Site& site, VirtRange range) {
                const auto mapped = window ? site.space->map_window({.frames = site.device,
                                                                     .address = range.start,
                                                                     .pages = range.pages(),
                                                                     .placement = placement})
                                           : site.space->map({.address = range.start,
                                                              .pages = range.pages(),
                                                              .placement = placement});
                return mapped ? Error{} : mapped.error();
            },
            [=](const Page& page) {
                return placement == Placement::replace || page.kind == EntryKind::empty;
            },
            [=](const Page&) {
                return window ? Page{EntryKind::leaf, Access::read(), Ceiling::of(Access::read()),
                                     true}
                              : Page{EntryKind::lazy, Access::read_write(), Ceiling::all(), false};
            }};
}

const std::vector<Act>& acts() {
    static const std::vector<Act> all{
        {"unmap", [](Site& site, VirtRange range) { return site.space->unmap(range).error(); },
         [](const Page&) { return true; }, [](const Page&) { return Page{}; }},
        {"discard", [](Site& site, VirtRange range) { return site.space->discard(range).error(); },
         [](const Page& page) { return page.kind != EntryKind::empty; },
         [](Page page) {
             if (private_page(page)) page.kind = EntryKind::lazy;
             return page;
         }},
        protect_to("protect none", Access::none()),
        protect_to("protect r--", Access::read()),
        protect_to("protect rw-", Access::read_write()),
        protect_to("protect r-x", Access::read_execute()),
        map_over("map fixed", Placement::fixed, false),
        map_over("map replace", Placement::replace, false),
        map_over("window fixed", Placement::fixed, true),
        map_over("window replace", Placement::replace, true)};
    return all;
}

/// What the frame of zeros makes different: it is nothing to park.
Page settled(const Page& before, Page after, bool zeros) {
    if (zeros && before.kind == EntryKind::leaf && after.kind == EntryKind::parked)
        after.kind = EntryKind::lazy;
    return after;
}

/// Pages before and behind the border; the operation's first and last page beside it.
struct Extent {
    std::uint64_t before;
    std::uint64_t behind;
};
constexpr Extent extents[] = {{4, 4}, {2, 2}, {4, 0}, {0, 4}, {1, 0}, {6, 6}};

void try_one(Machine& machine, State left, State right, const Act& act, Extent extent,
             std::uint64_t pages, std::uint64_t border) {
    CAPTURE(static_cast<int>(left));
    CAPTURE(static_cast<int>(right));
    CAPTURE(std::string(act.name));
    CAPTURE(extent.before);
    CAPTURE(extent.behind);
    Space space(machine);
    Site site{machine, space, machine.options().zones[0].start};
    site.device = PhysAddr{1ULL << 38};
    site.make(left, border - pages * page_size, pages * page_size);
    site.make(right, border, pages * page_size);
    const VirtRange range{VirtAddr{border - extent.before * page_size},
                          VirtAddr{border + extent.behind * page_size}};
    std::vector<Page> before;
    bool allowed = true;
    const std::uint64_t first = border - 8 * page_size;
    for (std::uint64_t n = 0; n < 16; ++n) {
        const std::uint64_t page = first + n * page_size;
        before.push_back(site.see(page));
        if (range.start.value <= page && page < range.end.value)
            allowed = allowed && act.allows(before.back());
    }
    const Likeness likeness = Likeness::of(*space);
    const Error error = act.run(site, range);
    CAPTURE(static_cast<int>(error));
    CHECK((error == Error{}) == allowed);
    if (!allowed) CHECK(Likeness::of(*space) == likeness);
    for (std::uint64_t n = 0; n < 16; ++n) {
        const std::uint64_t page = first + n * page_size;
        const bool inside = range.start.value <= page && page < range.end.value;
        const State state = page < border ? left : right;
        const Page expected = allowed && inside
                                  ? settled(before[n], act.after(before[n]), state == State::zeros)
                                  : before[n];
        CHECK(site.see(page) == expected);
    }
    CHECK(faults_of(machine, *space) == "");
}

} // namespace

TEST_CASE("every operation over every mixture of states across a table's border") {
    Machine machine({.zones = shim::MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
    for (const State left : all_states) {
        for (const State right : all_states) {
            for (const Act& act : acts()) {
                for (const Extent extent : extents)
                    try_one(machine, left, right, act, extent, 4, 4 * gib + 2 * mib);
            }
        }
    }
}

TEST_CASE("the same over large entries, at the borders of directories") {
    Machine machine({.zones = shim::MachineOptions::small_zones(), .commit_limit = {1ULL << 40}});
    constexpr State states[] = {State::hole, State::lazy, State::reserved, State::read_only,
                                State::guard};
    for (const State left : states) {
        for (const State right : states) {
            for (const Act& act : acts()) {
                for (const Extent extent : extents)
                    try_one(machine, left, right, act, extent, 1536, 8 * gib);
            }
        }
    }
}

TEST_CASE("the same over pages of 2 MiB, whose parts change") {
    Machine machine({.commit_limit = {1ULL << 40}});
    constexpr State states[] = {State::hole,         State::lazy,   State::reserved,
                                State::guard,        State::blocks, State::blocks_read_only,
                                State::blocks_parked};
    constexpr Extent parts[] = {{4, 4}, {4, 0}, {0, 512}};
    for (const State left : states) {
        for (const State right : states) {
            if (left < State::blocks && right < State::blocks) continue;
            for (const Act& act : acts()) {
                for (const Extent extent : parts)
                    try_one(machine, left, right, act, extent, 512, 8 * gib);
            }
        }
    }
}
