// SPDX-License-Identifier: MIT
// Fork: every state that memory can be in, and changes of the map on one side.
#include "user/selftest/fork_cases.hpp"

#include "user/lib/program.hpp"
#include "user/selftest/probe.hpp"

#include <array>
#include <span>
#include <utility>

namespace selftest {
namespace {

using abi::State;

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
constexpr std::uint64_t mebibyte = 1 << 20;
/// Far from everything else: the tests' ranges lie in it, one table each.
constexpr std::uint64_t far_away = 0x2100'0000'0000;
constexpr std::uint64_t far_end = far_away + 64 * mebibyte;

/// The runs from far_away on, up to `far_end`.
struct Runs {
    std::array<abi::Run, 24> runs;
    std::size_t count = 0;
    static Result<Runs> look() {
        Runs seen{};
        const auto found = TRY(user::query(abi::no_handle, far_away, seen.runs));
        while (seen.count < found.size() && found[seen.count].start < far_end) ++seen.count;
        return seen;
    }
    std::span<const abi::Run> all() const { return {runs.data(), count}; }
};

/// What a copy must find where `wanted` was: the same, but for the sizes of entries.
void expect_same(const Runs& got, const Runs& wanted, Place place = {}) {
    expect_equal(static_cast<std::int64_t>(got.count), static_cast<std::int64_t>(wanted.count),
                 "runs", place);
    if (got.count != wanted.count) return;
    for (std::size_t i = 0; i < got.count; ++i) {
        const abi::Run& a = got.runs[i];
        const abi::Run& b = wanted.runs[i];
        expect(a.start == b.start && a.end == b.end, "a run's range", place);
        expect(a.state == b.state && a.origin == b.origin && a.id == b.id, "a run's state", place);
        expect(a.access == b.access, "a run's rights", place);
        expect(a.present == b.present && a.offset == b.offset, "a run's frames", place);
    }
}

Result<std::uint64_t> map_at(std::uint64_t address, std::uint64_t bytes,
                             std::uint32_t access = read_write, std::uint32_t flags = 0) {
    return user::map(bytes,
                     {.address = address, .access = access, .flags = flags | abi::map_fixed});
}

/// Gives everything of a test back, on this side.
void clear() { EXPECT_OK(user::unmap(far_away, far_end - far_away)); }

/// far_away: lazy, read-only lazy, present, zeros, present read-only, parked, guard, noreserve.
Result<void> map_all_states() {
    std::uint64_t at = far_away;
    const auto next = [&](std::uint32_t access = read_write, std::uint32_t flags = 0) {
        return map_at(std::exchange(at, at + 3 * page_size), 2 * page_size, access, flags);
    };
    TRY(next());
    TRY(next(abi::access_read));
    const std::uint64_t present = TRY(next());
    word_at(present) = 1;
    word_at(present + page_size) = 2;
    const std::uint64_t zeros = TRY(next());
    (void)std::uint64_t{word_at(zeros)};
    const std::uint64_t read_only = TRY(next());
    word_at(read_only) = 3;
    TRY(user::protect(read_only, 2 * page_size, abi::access_read));
    const std::uint64_t parked = TRY(next());
    word_at(parked) = 4;
    TRY(user::protect(parked, 2 * page_size, abi::access_none));
    TRY(next(abi::access_none, abi::map_guard));
    const std::uint64_t unpromised = TRY(next(read_write, abi::map_noreserve));
    word_at(unpromised) = 5;
    TRY(map_at(far_away + 4 * mebibyte, 4 * mebibyte, read_write, abi::map_noreserve));
    TRY(map_at(far_away + 16 * mebibyte, 2 * mebibyte, abi::access_none, abi::map_guard));
    return {};
}

} // namespace

void states_are_kept() {
    REQUIRE(map_all_states());
    const Runs before = REQUIRE(Runs::look());
    EXPECT(before.count >= 9);
    in_copy([&] {
        expect_same(REQUIRE(Runs::look()), before);
        EXPECT(can_write(far_away));
        EXPECT(!can_write(far_away + 3 * page_size));
        EXPECT(can_read(far_away + 3 * page_size));
        EXPECT(!can_write(far_away + 12 * page_size));
        EXPECT_EQUAL(word_at(far_away + 12 * page_size), 3);
        EXPECT(!can_read(far_away + 15 * page_size));
        EXPECT(!can_read(far_away + 18 * page_size));
        EXPECT_ERROR(user::protect(far_away + 18 * page_size, page_size, abi::access_read),
                     Error::not_permitted);
        const Runs again = REQUIRE(Runs::look());
        in_copy([&] { expect_same(REQUIRE(Runs::look()), again); });
    });
    expect_same(REQUIRE(Runs::look()), before);
    clear();
}

void parked_memory_comes_back() {
    const std::uint64_t parked = REQUIRE(map_at(far_away, 2 * page_size));
    word_at(parked) = 7;
    word_at(parked + page_size) = 8;
    REQUIRE(user::protect(parked, 2 * page_size, abi::access_none));
    in_copy([&] {
        EXPECT(!can_read(parked));
        REQUIRE(user::protect(parked, 2 * page_size, read_write));
        EXPECT_EQUAL(word_at(parked), 7);
        word_at(parked) = 70;
        EXPECT_EQUAL(word_at(parked + page_size), 8);
    });
    EXPECT(!can_read(parked));
    REQUIRE(user::protect(parked, page_size, abi::access_read));
    EXPECT_EQUAL(word_at(parked), 7);
    EXPECT(!can_write(parked));
    EXPECT(!can_read(parked + page_size));
    clear();
}

/// Two pages of 2 MiB: one is written in the copy, the other one here; a part becomes read-only.
void huge_pages_are_shared() {
    constexpr std::uint64_t large = user::large_page;
    const std::uint64_t memory = REQUIRE(map_at(far_away, 2 * large, read_write, abi::map_huge));
    for (std::uint64_t at = 0; at < 2 * large; at += page_size) word_at(memory + at) = at + 1;
    const auto check = [&](std::uint64_t written, std::uint64_t own) {
        for (std::uint64_t at = 0; at < 2 * large; at += page_size)
            if (word_at(memory + at) != (at == written ? own : at + 1)) fail("a huge page", {});
    };
    constexpr std::uint64_t here = large + 5 * page_size;
    constexpr std::uint64_t there = 9 * page_size;
    const user::OwnedHandle go(REQUIRE(user::notification_create()));
    const auto in_child = [&] {
        EXPECT_OK(user::wait(go.get()));
        check(0, 1);
        word_at(memory + there) = 99;
        check(there, 99);
        REQUIRE(user::protect(memory + large, page_size, abi::access_read));
        EXPECT(!can_write(memory + large));
        EXPECT(can_write(memory + large + page_size));
    };
    const auto child = REQUIRE(start_copy(in_child));
    word_at(memory + here) = 98;
    EXPECT_OK(user::signal(go.get(), 1));
    check(here, 98);
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    check(here, 98);
    word_at(memory + large) = large + 1; // still writable here
    word_at(memory + there) = there + 1;
    check(here, 98);
    clear();
}

/// Memory that belongs to somebody else is the same memory in the copy, whoever goes first.
void windows_stay_their_owners() {
    const auto archive = user::handles.archive;
    const std::uint64_t window = REQUIRE(user::map_object(archive, far_away, 0, abi::access_read));
    EXPECT_EQUAL(window, far_away);
    const Runs untouched = REQUIRE(Runs::look());
    EXPECT_EQUAL(untouched.count, 1);
    EXPECT(untouched.runs[0].state == State::file);
    const std::uint64_t bytes = untouched.runs[0].end - untouched.runs[0].start;
    std::uint64_t sum = 0;
    const auto sum_up = [&] {
        std::uint64_t words = 0;
        for (std::uint64_t at = 0; at < bytes; at += page_size) words += word_at(window + at);
        return words;
    };
    in_copy([&] { expect_same(REQUIRE(Runs::look()), untouched); });
    sum = sum_up();
    const Runs before = REQUIRE(Runs::look());
    EXPECT_EQUAL(before.count, 1);
    EXPECT(before.runs[0].state == State::shared);
    for (int i = 0; i < 3; ++i) {
        in_copy([&] {
            expect_same(REQUIRE(Runs::look()), before); // the object, and where in it, too
            EXPECT_EQUAL(sum_up(), sum);
            EXPECT(!can_write(window));
            EXPECT_ERROR(user::protect(window, page_size, read_write), Error::not_permitted);
            if (i == 1) EXPECT_OK(user::unmap(window, bytes));
        });
        EXPECT_EQUAL(sum_up(), sum);
    }
    const auto in_child = [&] {
        (void)user::sleep(1'000'000);
        EXPECT_EQUAL(sum_up(), sum);
    };
    const auto child = REQUIRE(start_copy(in_child));
    EXPECT_OK(user::unmap(window, bytes));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    clear();
}

namespace {

/// Sixteen pages in a table of their own, and sixteen in the middle of one that others share.
constexpr std::uint64_t apart = far_away + 32 * mebibyte;
constexpr std::uint64_t pages = 16;

Result<void> map_both() {
    for (const std::uint64_t start : {far_away, apart}) {
        TRY(map_at(start, pages * page_size));
        for (std::uint64_t page = 0; page < pages; ++page)
            word_at(start + page * page_size) = page + 1;
    }
    return {};
}

/// Each kind of change, of parts and of the whole.
void change_both() {
    EXPECT_OK(user::unmap(far_away, 2 * page_size));
    EXPECT_OK(user::protect(far_away + 2 * page_size, 2 * page_size, abi::access_read));
    EXPECT_OK(user::protect(far_away + 4 * page_size, 2 * page_size, abi::access_none));
    EXPECT_OK(user::discard(far_away + 6 * page_size, 2 * page_size));
    EXPECT_OK(map_at(far_away + 20 * page_size, page_size));
    EXPECT_OK(
        user::map(2 * page_size, {.address = far_away + 8 * page_size, .flags = abi::map_replace}));
    EXPECT_OK(user::grow(far_away + pages * page_size, page_size));
    EXPECT_OK(user::unmap(apart, pages * page_size));
    EXPECT_OK(map_at(apart, page_size));
    EXPECT_EQUAL(word_at(apart), 0);
    EXPECT_EQUAL(word_at(far_away + 6 * page_size), 0);
    EXPECT_EQUAL(word_at(far_away + 8 * page_size), 0);
    EXPECT_EQUAL(word_at(far_away + 10 * page_size), 11);
    EXPECT(!can_write(far_away + 2 * page_size));
    EXPECT(!can_read(far_away + 4 * page_size));
    EXPECT(!can_read(far_away));
}

void expect_unchanged(const Runs& before) {
    expect_same(REQUIRE(Runs::look()), before);
    for (const std::uint64_t start : {far_away, apart})
        for (std::uint64_t page = 0; page < pages; ++page)
            if (word_at(start + page * page_size) != page + 1) fail("the other side's change", {});
}

} // namespace

void changes_in_the_copy_stay_there() {
    REQUIRE(map_both());
    const Runs before = REQUIRE(Runs::look());
    in_copy(change_both);
    expect_unchanged(before);
    const auto hole = REQUIRE(user::map(page_size, {.address = apart}));
    EXPECT_EQUAL(hole, apart + pages * page_size); // nothing was freed there here
    clear();
}

void changes_in_the_parent_stay_there() {
    REQUIRE(map_both());
    const Runs before = REQUIRE(Runs::look());
    const user::OwnedHandle go(REQUIRE(user::notification_create()));
    const auto in_child = [&] {
        EXPECT_OK(user::wait(go.get()));
        expect_unchanged(before);
        change_both();
    };
    const auto child = REQUIRE(start_copy(in_child));
    change_both();
    EXPECT_OK(user::signal(go.get(), 1));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
    EXPECT_EQUAL(word_at(far_away + 10 * page_size), 11);
    clear();
}

} // namespace selftest
