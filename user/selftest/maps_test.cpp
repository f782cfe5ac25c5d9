// SPDX-License-Identifier: MIT
// query and nearest: they tell exactly what was mapped.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint64_t far_away = 0x3000'0000'0000;
constexpr std::uint64_t mebibyte = 1 << 20;

void write_at(std::uint64_t address) { *reinterpret_cast<volatile char*>(address) = 1; }

Result<std::uint64_t> map_fixed(std::uint64_t address, std::uint64_t pages,
                                std::uint32_t access = read_write, std::uint32_t flags = 0) {
    return user::map(pages * page_size,
                     {.address = address, .access = access, .flags = abi::map_fixed | flags});
}

struct Wanted {
    std::uint64_t start; ///< pages from far_away
    std::uint64_t end;
    std::uint64_t present;
    abi::State state;
    unsigned access;
};

/// The runs from far_away on must be these, and `nearest` must agree.
void expect_runs(std::span<const Wanted> wanted, Place place = {}) {
    std::array<abi::Run, 32> storage{};
    const auto runs = user::query(abi::no_handle, far_away, storage);
    if (!expect_ok(runs, "query", place)) return;
    // What lies above belongs to others.
    std::size_t count = 0;
    while (count < runs->size() && (*runs)[count].start < far_away + (1ULL << 40)) ++count;
    expect_equal(static_cast<std::int64_t>(count), static_cast<std::int64_t>(wanted.size()),
                 "number of runs", place);
    for (std::size_t i = 0; i < std::min(count, wanted.size()); ++i) {
        const abi::Run& run = (*runs)[i];
        const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
        expect_equal(number((run.start - far_away) / page_size), number(wanted[i].start), "start",
                     place);
        expect_equal(number((run.end - far_away) / page_size), number(wanted[i].end), "end", place);
        expect_equal(number(run.present), number(wanted[i].present), "present", place);
        expect_equal(static_cast<int>(run.state), static_cast<int>(wanted[i].state), "state",
                     place);
        expect_equal(run.access, wanted[i].access, "access", place);
        const auto up = user::nearest(abi::no_handle, run.start, abi::Direction::up);
        if (!expect_ok(up, "nearest up", place)) continue;
        expect_equal(number(up->start), number(run.start), "nearest up: start", place);
        expect_equal(number(up->end), number(run.end), "nearest up: end", place);
        const auto down = user::nearest(abi::no_handle, run.start + 1, abi::Direction::down);
        if (!expect_ok(down, "nearest down", place)) continue;
        expect_equal(number(down->start), number(run.start), "nearest down: start", place);
    }
}

void runs_of_equal_state() {
    REQUIRE(map_fixed(far_away, 16));
    expect_runs({{{0, 16, 0, abi::State::lazy, read_write}}});
    write_at(far_away + 4 * page_size);
    write_at(far_away + 5 * page_size);
    expect_runs({{{0, 4, 0, abi::State::lazy, read_write},
                  {4, 6, 2, abi::State::present, read_write},
                  {6, 16, 0, abi::State::lazy, read_write}}});
    REQUIRE(user::protect(far_away + 5 * page_size, 2 * page_size, abi::access_read));
    expect_runs({{{0, 4, 0, abi::State::lazy, read_write},
                  {4, 5, 1, abi::State::present, read_write},
                  {5, 6, 1, abi::State::present, abi::access_read},
                  {6, 7, 0, abi::State::lazy, abi::access_read},
                  {7, 16, 0, abi::State::lazy, read_write}}});
    REQUIRE(user::protect(far_away + 5 * page_size, page_size, abi::access_none));
    REQUIRE(user::unmap(far_away + 8 * page_size, 4 * page_size));
    expect_runs({{{0, 4, 0, abi::State::lazy, read_write},
                  {4, 5, 1, abi::State::present, read_write},
                  {5, 6, 1, abi::State::parked, 0},
                  {6, 7, 0, abi::State::lazy, abi::access_read},
                  {7, 8, 0, abi::State::lazy, read_write},
                  {12, 16, 0, abi::State::lazy, read_write}}});
    REQUIRE(user::unmap(far_away, 16 * page_size));
    expect_runs({});
}

/// Separate calls with equal rights make one run: the map knows pages, not mappings.
void neighbours_are_one_run() {
    for (std::uint64_t page = 0; page < 8; ++page) {
        REQUIRE(map_fixed(far_away + page * page_size, 1));
    }
    expect_runs({{{0, 8, 0, abi::State::lazy, read_write}}});
    REQUIRE(user::unmap(far_away, 8 * page_size));
}

void guards_are_shown() {
    REQUIRE(map_fixed(far_away, 2, abi::access_none, abi::map_guard));
    REQUIRE(map_fixed(far_away + 2 * page_size, 2));
    expect_runs({{{0, 2, 0, abi::State::callback, 0}, {2, 4, 0, abi::State::lazy, read_write}}});
    REQUIRE(user::unmap(far_away, 4 * page_size));
}

void size_classes() {
    constexpr std::uint64_t gibibyte = 1 << 30;
    REQUIRE(user::map(2 * gibibyte,
                      {.address = far_away, .flags = abi::map_fixed | abi::map_noreserve}));
    auto run = REQUIRE(user::nearest(abi::no_handle, far_away, abi::Direction::up));
    EXPECT_EQUAL(run.levels, 4); // entries of 1 GiB
    EXPECT_EQUAL(run.end - run.start, 2 * gibibyte);
    REQUIRE(user::protect(far_away + 2 * mebibyte, 2 * mebibyte, abi::access_read));
    run = REQUIRE(user::nearest(abi::no_handle, far_away, abi::Direction::up));
    EXPECT_EQUAL(run.levels, 2);
    EXPECT_EQUAL(run.end - run.start, 2 * mebibyte);
    REQUIRE(user::protect(far_away + 2 * mebibyte, 2 * mebibyte, read_write));
    run = REQUIRE(user::nearest(abi::no_handle, far_away, abi::Direction::up));
    EXPECT_EQUAL(run.end - run.start, 2 * gibibyte);
    REQUIRE(user::unmap(far_away, 2 * gibibyte));
}

void nearest_at_the_ends() {
    REQUIRE(map_fixed(far_away, 1));
    const auto down =
        REQUIRE(user::nearest(abi::no_handle, far_away + 100 * page_size, abi::Direction::down));
    EXPECT_EQUAL(down.start, far_away);
    const auto up = REQUIRE(user::nearest(abi::no_handle, far_away - 1, abi::Direction::up));
    EXPECT_EQUAL(up.start, far_away);
    // The run that begins below the address is not the one that begins at it.
    const auto below = REQUIRE(user::nearest(abi::no_handle, far_away, abi::Direction::down));
    EXPECT(below.start < far_away);
    EXPECT_ERROR(user::nearest(abi::no_handle, 0, abi::Direction::down), Error::not_found);
    EXPECT_ERROR(user::nearest(abi::no_handle, 0x7fff'ffff'f000, abi::Direction::up),
                 Error::not_found);
    EXPECT_ERROR(user::nearest(abi::no_handle, 0, static_cast<abi::Direction>(2)),
                 Error::invalid_argument);
    REQUIRE(user::unmap(far_away, 1 * page_size));
}

/// Asking in pieces gives the same as asking for everything.
void query_in_pieces() {
    for (std::uint64_t i = 0; i < 20; ++i) REQUIRE(map_fixed(far_away + 2 * i * page_size, 1));
    std::uint64_t from = far_away;
    for (std::uint64_t i = 0; i < 20; ++i) {
        std::array<abi::Run, 1> one{};
        const auto runs = REQUIRE(user::query(abi::no_handle, from, one));
        EXPECT_EQUAL(runs.size(), 1);
        EXPECT_EQUAL(one[0].start, far_away + 2 * i * page_size);
        from = one[0].end;
    }
    std::array<abi::Run, 1> none{};
    EXPECT_EQUAL(REQUIRE(user::query(abi::no_handle, 0x7fff'ffff'0000, none)).size(), 0);
    EXPECT_EQUAL(REQUIRE(user::query(abi::no_handle, 0, {none.data(), 0})).size(), 0);
    REQUIRE(user::unmap(far_away, 40 * page_size));
}

/// The map of another process, through its handle.
void other_process() {
    const auto child = REQUIRE(start_child({"sleep"}));
    std::array<abi::Run, 64> runs{};
    const auto found = REQUIRE(user::query(child.get(), 0, runs));
    EXPECT(found.size() >= 4);
    bool text = false;
    for (const abi::Run& run : found) {
        if ((run.access & abi::access_execute) != 0) text = true;
        EXPECT(run.start < run.end && run.end <= 0x7fff'ffff'f000);
    }
    EXPECT(text);
    EXPECT_OK(user::nearest(child.get(), 0, abi::Direction::up));
    const user::OwnedHandle blind(REQUIRE(user::handle_duplicate(child.get(), abi::right_control)));
    EXPECT_ERROR(user::query(blind.get(), 0, runs), Error::not_permitted);
    EXPECT_ERROR(user::nearest(blind.get(), 0, abi::Direction::up), Error::not_permitted);
    EXPECT_ERROR(user::process_info(blind.get()), Error::not_permitted);
    REQUIRE(user::process_kill(child.get(), 0));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    EXPECT_EQUAL(REQUIRE(user::query(child.get(), 0, runs)).size(), 0);
}

constexpr Test tests[] = {
    {"runs_of_equal_state", runs_of_equal_state},
    {"neighbours_are_one_run", neighbours_are_one_run},
    {"guards_are_shown", guards_are_shown},
    {"size_classes", size_classes},
    {"nearest_at_the_ends", nearest_at_the_ends},
    {"query_in_pieces", query_in_pieces},
    {"other_process", other_process},
};

} // namespace

constinit const Suite maps_suite{"maps", tests};

} // namespace selftest
