// SPDX-License-Identifier: MIT
// The clock page: the time without a system call, in every process, owned by none.
#include "user/lib/clock.hpp"
#include "user/lib/start.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/fork_cases.hpp"
#include "user/selftest/probe.hpp"
#include "user/selftest/upcall_cases.hpp"

#include <array>

namespace selftest {
namespace {

std::uint64_t page_address() { return reinterpret_cast<std::uint64_t>(user::clock_page); }

/// The clock page's run in the map of a process that was spawned like this one; empty if there is
/// none.
abi::Run clock_run(abi::Handle process) {
    std::array<abi::Run, 1> run{};
    const auto found = user::query(process, page_address(), run);
    if (!found || found->empty() || run[0].start != page_address()) return {};
    return run[0].origin == abi::Origin::window && run[0].id == abi::clock_page_id ? run[0]
                                                                                   : abi::Run{};
}

void it_tells_the_time() {
    if (user::clock_page == nullptr) return fail("no clock page", {});
    // Where counters differ between processors the page says so, and the call is asked.
    const bool usable = user::clock_page->usable != 0;
    EXPECT_EQUAL(user::read_clock(*user::clock_page).has_value(), usable);
    std::uint64_t last = 0;
    for (unsigned i = 0; i < 100; ++i) {
        const std::uint64_t before = user::clock();
        const std::uint64_t now = user::now();
        const std::uint64_t after = user::clock();
        EXPECT(before <= now && now <= after);
        EXPECT(last <= now);
        last = now;
    }
    EXPECT_OK(user::sleep(2'000'000));
    EXPECT(user::now() - last >= 2'000'000);
}

void a_page_that_knows_nothing_is_not_believed() {
    const abi::ClockPage unknown{.sequence = 2, .usable = 0, .start = 5, .factor = 7};
    EXPECT(!user::read_clock(unknown).has_value());
    const abi::ClockPage half{.sequence = 2, .usable = 1, .start = 0, .factor = 1ULL << 31};
    const std::uint64_t before = user::read_clock(half).value_or(0);
    EXPECT(before != 0 && before <= user::read_clock(half).value_or(0));
}

void nobody_owns_it() {
    const abi::Run run = clock_run(abi::no_handle);
    EXPECT_EQUAL(run.start, page_address());
    EXPECT_EQUAL(run.end - run.start, page_size);
    EXPECT_EQUAL(run.present, 1);
    EXPECT(run.state == abi::State::shared);
    EXPECT_EQUAL(run.access, abi::access_read);
    // The same frame in another process.
    const auto child = REQUIRE(start_child({"sleep"}));
    const abi::Run other = clock_run(child.get());
    EXPECT(other.state == abi::State::shared);
    EXPECT_EQUAL(other.offset, run.offset);
    REQUIRE(user::process_kill(child.get(), 0));
    REQUIRE(user::process_wait(child.get()));
}

void it_cannot_be_written() {
    EXPECT(!can_write(page_address()));
    EXPECT_ERROR(user::protect(page_address(), page_size, abi::access_read | abi::access_write),
                 Error::not_permitted);
    EXPECT_ERROR(user::protect(page_address(), page_size, abi::access_read | abi::access_execute),
                 Error::not_permitted);
}

/// Copies, rights, discard, unmap and ends leave the page and its frame alone.
void it_stays_whatever_is_done_to_it() {
    const std::uint64_t factor = user::clock_page->factor;
    const auto use = [&] { return user::clock_page->factor == factor; };
    in_copy([&] {
        EXPECT(use());
        REQUIRE(user::discard(page_address(), page_size));
        EXPECT(use());
        REQUIRE(user::protect(page_address(), page_size, abi::access_none));
        EXPECT(!can_read(page_address()));
        REQUIRE(user::protect(page_address(), page_size, abi::access_read));
        EXPECT(use());
        in_copy([&] { EXPECT(use()); });
        REQUIRE(user::unmap(page_address(), page_size));
        EXPECT_EQUAL(clock_run(abi::no_handle).end, 0);
        // What comes there is the process's own.
        REQUIRE(user::map(page_size, {.address = page_address(), .flags = abi::map_fixed}));
        word_at(page_address()) = 1;
    });
    EXPECT(use());
    EXPECT_EQUAL(clock_run(abi::no_handle).start, page_address());
}

constexpr Test tests[] = {
    {"it_tells_the_time", it_tells_the_time},
    {"a_page_that_knows_nothing_is_not_believed", a_page_that_knows_nothing_is_not_believed},
    {"nobody_owns_it", nobody_owns_it},
    {"it_cannot_be_written", it_cannot_be_written},
    {"it_stays_whatever_is_done_to_it", it_stays_whatever_is_done_to_it},
};

} // namespace

constinit const Suite clock_suite{"clock", tests};

} // namespace selftest
