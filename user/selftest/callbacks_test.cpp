// SPDX-License-Identifier: MIT
// Memory behind kernel functions: what grows when it is touched, and what is watched.
#include "user/lib/start.hpp"
#include "user/selftest/fork_cases.hpp"
#include "user/selftest/probe.hpp"
#include "user/selftest/upcall_cases.hpp"

#include <array>
#include <string_view>

namespace selftest {
namespace {

using abi::State;
using abi::UpcallCause;
using user::UpcallFrame;
using user::Upcalls;

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;

UpcallFrame seen;
unsigned count;
/// By how much the handler moves RIP: 0 tries the access again.
std::uint64_t step;

bool note(UpcallFrame& frame) {
    seen = frame;
    ++count;
    frame.rip += step;
    return count < 10; // nothing is told for ever
}

void expect_told(UpcallCause cause, std::uint64_t address, std::uint32_t access, Place place = {}) {
    const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    expect_equal(count, 1, "upcalls", place);
    expect_equal(static_cast<int>(seen.cause), static_cast<int>(cause), "cause", place);
    expect_equal(number(seen.address), number(address), "address", place);
    expect_equal(seen.access, access, "access", place);
    expect_equal(static_cast<int>(seen.state), static_cast<int>(State::callback), "state", place);
    count = 0;
}

/// The run in which a page lies.
abi::Run run_at(std::uint64_t address) {
    return user::nearest(abi::no_handle, address, abi::Direction::up).value_or(abi::Run{});
}

void expect_run(std::uint64_t start, std::uint64_t end, State state, std::string_view what,
                Place place = {}) {
    const abi::Run run = run_at(start);
    const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    expect_equal(number(run.start), number(start), "start", place);
    expect_equal(number(run.end), number(end), "end", place);
    expect_equal(static_cast<int>(run.state), static_cast<int>(state), "state", place);
    if (state == State::callback)
        expect(run.id < std::size(abi::callback_names) && abi::callback_names[run.id] == what, what,
               place);
}

std::uint64_t committed() {
    const auto info = user::process_info(abi::no_handle);
    return info.ok() ? info->committed : 0;
}

/// A page, a hole, `pages` that grow, a hole, a page: where it is tried. Its first growing page.
Result<std::uint64_t> map_growing(std::uint64_t pages, std::uint32_t flags) {
    const std::uint64_t hole = TRY(make_hole(pages + 2));
    return user::map(pages * page_size,
                     {.address = hole + page_size, .flags = flags | abi::map_fixed});
}

void stack_grows_to_its_guard() {
    constexpr std::uint64_t pages = 64;
    const std::uint64_t start = REQUIRE(map_growing(pages, abi::map_grows_down));
    const std::uint64_t end = start + pages * page_size;
    const auto page = [&](std::uint64_t n) { return start + n * page_size; };
    expect_run(start, end, State::callback, "stack growth");
    word_at(end - 8) = 1; // its table too
    const std::uint64_t before = committed();
    expect_run(page(63), end, State::present, "");
    expect_run(start, page(63), State::callback, "stack growth");
    word_at(page(40) + 16) = 2; // some pages further down: all up to there
    EXPECT_EQUAL(committed() - before, 23);
    expect_run(page(41), page(63), State::lazy, "");
    EXPECT_EQUAL(word_at(end - 8), 1);
    EXPECT_EQUAL(word_at(page(41)), 0);
    word_at(page(1)) = 3; // the last one that there is
    EXPECT_EQUAL(committed() - before, 62);
    expect_run(start, page(1), State::callback, "stack growth");
    {
        count = 0;
        step = store_bytes;
        const auto upcalls = REQUIRE(Upcalls::install(note));
        store_at(start + 9);
        expect_told(UpcallCause::forbidden, start + 9, abi::access_write);
        EXPECT_EQUAL(seen.rights, read_write);
    }
    EXPECT_EQUAL(word_at(page(1)), 3);
    REQUIRE(user::unmap(start, end - start));
}

void heap_grows_to_its_guard() {
    const std::uint64_t start = REQUIRE(map_growing(8, abi::map_grows_up));
    const auto page = [&](std::uint64_t n) { return start + n * page_size; };
    word_at(page(2)) = 1;
    expect_run(start, page(2), State::lazy, "");
    expect_run(page(3), page(8), State::callback, "heap growth");
    // The kernel's own copies make it grow too.
    EXPECT(can_write(page(6)));
    expect_run(page(7), page(8), State::callback, "heap growth");
    EXPECT(!can_write(page(7)));
    expect_run(page(7), page(8), State::callback, "heap growth");
    // The limit moves with what follows.
    REQUIRE(user::grow(page(8), page_size));
    EXPECT(can_write(page(7)));
    EXPECT(!can_write(page(8)));
    REQUIRE(user::unmap(start, 9 * page_size));
}

void what_it_is_given_stays_so() {
    const std::uint64_t start = REQUIRE(map_growing(16, abi::map_grows_down));
    const auto page = [&](std::uint64_t n) { return start + n * page_size; };
    // A hole ends the growth above, and a right that is taken does not make it a guard.
    REQUIRE(user::unmap(page(12), page_size));
    word_at(page(10)) = 1;
    expect_run(page(11), page(12), State::lazy, "");
    expect_run(page(13), page(16), State::callback, "stack growth");
    REQUIRE(user::protect(page(4), 2 * page_size, abi::access_read));
    EXPECT(!can_write(page(5)));
    EXPECT(can_read(page(5)));
    EXPECT_EQUAL(run_at(page(5)).access, abi::access_read);
    EXPECT_ERROR(user::protect(page(8), page_size, abi::access_write | abi::access_execute),
                 Error::not_permitted);
    REQUIRE(user::discard(page(0), 12 * page_size));
    EXPECT_EQUAL(word_at(page(10)), 0);
    REQUIRE(user::unmap(start, 16 * page_size));
}

void growth_in_a_copy() {
    const std::uint64_t start = REQUIRE(map_growing(32, abi::map_grows_down));
    const std::uint64_t top = start + 31 * page_size;
    word_at(top) = 1;
    in_copy([&] {
        word_at(start + 20 * page_size) = 5;
        word_at(top) = 2;
        expect_run(start, start + 20 * page_size, State::callback, "stack growth");
    });
    EXPECT_EQUAL(word_at(top), 1);
    expect_run(start, top, State::callback, "stack growth");
    REQUIRE(user::unmap(start, 32 * page_size));
}

/// More than there is: the fault is told, and the range stays what it was.
void growth_without_memory() {
    constexpr std::uint64_t bytes = 1ULL << 40;
    const std::uint64_t start = REQUIRE(user::map(bytes, {.flags = abi::map_grows_down}));
    {
        count = 0;
        step = store_bytes;
        const auto upcalls = REQUIRE(Upcalls::install(note));
        store_at(start + page_size);
        EXPECT(seen.cause == UpcallCause::no_memory || seen.cause == UpcallCause::over_limit);
        expect_told(seen.cause, start + page_size, abi::access_write);
    }
    expect_run(start, start + bytes, State::callback, "stack growth");
    word_at(start + bytes - page_size) = 1; // there is room for this
    expect_run(start, start + bytes - page_size, State::callback, "stack growth");
    REQUIRE(user::unmap(start, bytes));
}

void growth_is_refused() {
    constexpr std::uint32_t down = abi::map_grows_down;
    const auto with = [](std::uint64_t pages, std::uint32_t flags, std::uint32_t access) {
        return user::map(pages * page_size, {.access = access, .flags = flags});
    };
    EXPECT_ERROR(with(4, down | abi::map_grows_up, read_write), Error::invalid_argument);
    EXPECT_ERROR(with(4, down | abi::map_guard, read_write), Error::invalid_argument);
    EXPECT_ERROR(with(4, down | abi::map_huge, read_write), Error::invalid_argument);
    EXPECT_ERROR(with(4, down | abi::map_noreserve, read_write), Error::invalid_argument);
    EXPECT_ERROR(with(4, down, abi::access_none), Error::invalid_argument);
    EXPECT_ERROR(with(1, down, read_write), Error::invalid_argument);
}

Result<void> watch(std::uint64_t address, std::uint64_t bytes, std::uint32_t access = read_write) {
    return user::protect(address, bytes, access | abi::access_watch);
}

void first_access_is_told() {
    const std::uint64_t start = REQUIRE(user::map(8 * page_size));
    const auto page = [&](std::uint64_t n) { return start + n * page_size; };
    const auto upcalls = REQUIRE(Upcalls::install(note));
    const std::uint64_t before = committed();
    REQUIRE(watch(start, 8 * page_size));
    expect_run(start, page(8), State::callback, "watch");
    EXPECT_EQUAL(run_at(start).access, read_write);
    count = 0;
    step = 0;
    store_at(page(3) + 77);
    expect_told(UpcallCause::watch, page(3) + 77, abi::access_write);
    store_at(page(3) + 78);
    load_at(page(3));
    EXPECT_EQUAL(count, 0);
    EXPECT_EQUAL(word_at(page(3) + 72) >> 40, 0x0101); // both arrived
    load_at(page(4));
    expect_told(UpcallCause::watch, page(4), abi::access_read);
    store_at(page(4));
    EXPECT_EQUAL(count, 0);
    expect_run(start, page(3), State::callback, "watch");
    expect_run(page(5), page(8), State::callback, "watch");
    EXPECT_EQUAL(committed(), before); // it was promised all the time
    // Rights are first, and the watch stays.
    REQUIRE(watch(page(6), page_size, abi::access_read));
    step = store_bytes;
    store_at(page(6));
    expect_told(UpcallCause::forbidden, page(6), abi::access_write);
    expect_run(page(6), page(7), State::callback, "watch");
    // It ends with rights alone.
    step = 0;
    REQUIRE(user::protect(page(6), 2 * page_size, read_write));
    store_at(page(6));
    store_at(page(7));
    EXPECT_EQUAL(count, 0);
    REQUIRE(user::unmap(start, 8 * page_size));
}

/// Who copies for the thread can't call up: that is an error, and the watch stays.
void kernel_copies_are_refused() {
    const std::uint64_t page = REQUIRE(user::map(page_size));
    REQUIRE(watch(page, page_size));
    EXPECT(!can_write(page));
    EXPECT(!can_read(page));
    expect_run(page, page + page_size, State::callback, "watch");
    count = 0;
    step = 0;
    const auto upcalls = REQUIRE(Upcalls::install(note));
    load_at(page);
    expect_told(UpcallCause::watch, page, abi::access_read);
    EXPECT(can_write(page));
    REQUIRE(user::unmap(page, page_size));
}

void what_cannot_be_watched() {
    const std::uint64_t start = REQUIRE(user::map(4 * page_size));
    const auto page = [&](std::uint64_t n) { return start + n * page_size; };
    word_at(page(1)) = 1;
    EXPECT_EQUAL(word_at(page(2)), 0);
    EXPECT_ERROR(watch(start, 4 * page_size), Error::unsupported);
    EXPECT(run_at(start).state == State::lazy); // nothing happened
    REQUIRE(watch(page(2), page_size));         // read only: that counts as untouched
    REQUIRE(user::discard(start, 4 * page_size));
    REQUIRE(watch(start, 4 * page_size));
    EXPECT_ERROR(watch(start, page_size, abi::access_none), Error::invalid_argument);
    EXPECT_ERROR(watch(start, page_size, abi::access_write | abi::access_execute),
                 Error::not_permitted);
    EXPECT_ERROR(watch(start, page_size, 16), Error::invalid_argument);
    REQUIRE(user::unmap(page(2), page_size));
    EXPECT_ERROR(watch(start, 4 * page_size), Error::not_mapped);
    REQUIRE(user::unmap(start, 4 * page_size));
    const std::uint64_t guard =
        REQUIRE(user::map(page_size, {.access = abi::access_none, .flags = abi::map_guard}));
    EXPECT_ERROR(watch(guard, page_size), Error::unsupported);
    REQUIRE(user::unmap(guard, page_size));
    if (user::clock_page != nullptr)
        EXPECT_ERROR(watch(reinterpret_cast<std::uint64_t>(user::clock_page), page_size),
                     Error::unsupported);
}

/// A large range is one entry, of which each page is split off; a copy has a watch of its own.
void watch_in_large_and_in_copies() {
    constexpr std::uint64_t bytes = 1 << 30;
    const std::uint64_t start =
        REQUIRE(user::map(bytes, {.flags = abi::map_noreserve | abi::map_huge}));
    REQUIRE(watch(start, bytes));
    EXPECT_EQUAL(run_at(start).levels, 4);
    count = 0;
    step = 0;
    const auto upcalls = REQUIRE(Upcalls::install(note));
    const std::uint64_t page = start + (bytes / 2) + 5 * page_size;
    in_copy([&] {
        store_at(page);
        expect_told(UpcallCause::watch, page, abi::access_write);
        store_at(page);
        EXPECT_EQUAL(count, 0);
    });
    store_at(page);
    expect_told(UpcallCause::watch, page, abi::access_write);
    expect_run(page, page + page_size, State::present, "");
    expect_run(page + page_size, start + bytes, State::callback, "watch");
    REQUIRE(user::unmap(start, bytes));
}

constexpr Test tests[] = {
    {"stack_grows_to_its_guard", stack_grows_to_its_guard},
    {"heap_grows_to_its_guard", heap_grows_to_its_guard},
    {"what_it_is_given_stays_so", what_it_is_given_stays_so},
    {"growth_in_a_copy", growth_in_a_copy},
    {"growth_without_memory", growth_without_memory},
    {"growth_is_refused", growth_is_refused},
    {"first_access_is_told", first_access_is_told},
    {"kernel_copies_are_refused", kernel_copies_are_refused},
    {"what_cannot_be_watched", what_cannot_be_watched},
    {"watch_in_large_and_in_copies", watch_in_large_and_in_copies},
};

} // namespace

constinit const Suite callbacks_suite{"callbacks", tests};

} // namespace selftest
