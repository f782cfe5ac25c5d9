// SPDX-License-Identifier: MIT
// Where mappings go: downwards, behind others, apart by thread.
#include "user/lib/heap.hpp"
#include "user/lib/thread.hpp"
#include "user/selftest/framework.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t gibibyte = 1 << 30;
/// Far from everything else in the process.
constexpr std::uint64_t far_away = 0x2000'0000'0000;

void down_takes_the_last_hole() {
    const auto fixed = [](std::uint64_t address, std::uint64_t pages) {
        return user::map(pages * page_size, {.address = address, .flags = abi::map_fixed});
    };
    const auto below = [](std::uint64_t address, std::uint64_t pages) {
        return user::map(pages * page_size, {.address = address, .flags = abi::map_down});
    };
    // far_away:  A . . B . . . C
    REQUIRE(fixed(far_away, 1));
    REQUIRE(fixed(far_away + 3 * page_size, 1));
    REQUIRE(fixed(far_away + 7 * page_size, 1));
    const std::uint64_t end = far_away + 8 * page_size;
    EXPECT_EQUAL(REQUIRE(below(end, 2)), far_away + 5 * page_size);
    EXPECT_EQUAL(REQUIRE(below(end, 2)), far_away + page_size);
    EXPECT_EQUAL(REQUIRE(below(far_away + 5 * page_size, 1)), far_away + 4 * page_size);
    EXPECT_EQUAL(REQUIRE(below(far_away + 5 * page_size, 3)), far_away - 3 * page_size);
    EXPECT_ERROR(user::map(page_size, {.flags = abi::map_down | abi::map_fixed}),
                 Error::invalid_argument);
    REQUIRE(user::unmap(far_away - 3 * page_size, 16 * page_size));
    const auto last = REQUIRE(user::map(page_size, {.flags = abi::map_down}));
    const auto next = REQUIRE(user::map(page_size, {.flags = abi::map_down}));
    EXPECT_EQUAL(next, last - page_size);
    REQUIRE(user::unmap(next, 2 * page_size));
}

void grow_continues_a_mapping() {
    const auto address = REQUIRE(user::map(
        2 * page_size, {.address = far_away, .access = abi::access_read, .flags = abi::map_fixed}));
    const std::uint64_t end = address + 2 * page_size;
    EXPECT_EQUAL(REQUIRE(user::grow(end, 3 * page_size)), end);
    EXPECT_EQUAL(REQUIRE(user::grow_down(address, page_size)), address - page_size);
    const auto run = REQUIRE(user::nearest(abi::no_handle, address, abi::Direction::up));
    EXPECT_EQUAL(run.start, address - page_size);
    EXPECT_EQUAL(run.end, end + 3 * page_size);
    EXPECT_EQUAL(run.access, abi::access_read);
    EXPECT_ERROR(user::grow(end, page_size), Error::no_space); // amid
    EXPECT_ERROR(user::grow(end + 4 * page_size, page_size), Error::not_mapped);
    EXPECT_ERROR(user::grow_down(end + 4 * page_size, page_size), Error::not_mapped);
    // Something in the way: nothing changes, and `nearest` says what.
    REQUIRE(user::map(page_size, {.address = end + 5 * page_size, .flags = abi::map_fixed}));
    EXPECT_ERROR(user::grow(end + 3 * page_size, 4 * page_size), Error::no_space);
    const auto other =
        REQUIRE(user::nearest(abi::no_handle, end + 3 * page_size, abi::Direction::up));
    EXPECT_EQUAL(other.start, end + 5 * page_size);
    REQUIRE(user::grow(end + 3 * page_size, other.start - (end + 3 * page_size)));
    EXPECT_ERROR(
        user::map(page_size, {.address = end, .access = abi::access_read, .flags = abi::map_grow}),
        Error::invalid_argument);
    REQUIRE(user::unmap(address - page_size, end + 6 * page_size - (address - page_size)));
}

void heap_grows_where_it_is() {
    auto* block = static_cast<char*>(user::allocate(100'000));
    EXPECT(block != nullptr);
    block[99'999] = 7;
    auto* larger = static_cast<char*>(user::reallocate(block, 120'000));
    EXPECT(larger == block); // the next block begins at a multiple of 64 KiB
    EXPECT_EQUAL(larger[99'999], 7);
    larger[119'999] = 8;
    larger = static_cast<char*>(user::reallocate(larger, 3'000'000));
    EXPECT(larger != nullptr);
    EXPECT_EQUAL(larger[99'999], 7);
    EXPECT_EQUAL(larger[119'999], 8);
    larger[2'999'999] = 9;
    user::release(larger);
}

volatile std::uint64_t mapped_by_thread[2];

void threads_map_apart() {
    const auto own = REQUIRE(user::map(page_size));
    mapped_by_thread[0] = 0;
    mapped_by_thread[1] = 0;
    // Both live until both have mapped: else the second could follow the first in its arena.
    const auto map_one = [](void* where) {
        const auto address = user::map(page_size);
        *static_cast<volatile std::uint64_t*>(where) = address ? *address : 1;
        while (mapped_by_thread[0] == 0 || mapped_by_thread[1] == 0) user::yield();
    };
    const auto slot = [](int n) { return const_cast<std::uint64_t*>(&mapped_by_thread[n]); };
    user::Thread first = REQUIRE(user::Thread::start(map_one, slot(0)));
    user::Thread second = REQUIRE(user::Thread::start(map_one, slot(1)));
    REQUIRE(first.join());
    REQUIRE(second.join());
    const std::uint64_t a = mapped_by_thread[0];
    const std::uint64_t b = mapped_by_thread[1];
    EXPECT(a > 1 && b > 1);
    const auto apart = [](std::uint64_t one, std::uint64_t other) {
        return (one > other ? one - other : other - one) >= 32 * mebibyte;
    };
    EXPECT(apart(own, a));
    EXPECT(apart(own, b));
    EXPECT(apart(a, b));
    // More than an arena holds goes anywhere.
    static std::uint64_t large = 0;
    user::Thread third = REQUIRE(user::Thread::start(
        [](void*) {
            const auto address = user::map(100 * gibibyte, {.flags = abi::map_noreserve});
            large = address ? *address : 0;
        },
        nullptr));
    REQUIRE(third.join());
    EXPECT(large != 0);
    REQUIRE(user::unmap(large, 100 * gibibyte));
    REQUIRE(user::unmap(a, page_size));
    REQUIRE(user::unmap(b, page_size));
    REQUIRE(user::unmap(own, page_size));
}

constexpr Test tests[] = {
    {"down_takes_the_last_hole", down_takes_the_last_hole},
    {"grow_continues_a_mapping", grow_continues_a_mapping},
    {"heap_grows_where_it_is", heap_grows_where_it_is},
    {"threads_map_apart", threads_map_apart},
};

} // namespace

constinit const Suite placement_suite{"placement", tests};

} // namespace selftest
