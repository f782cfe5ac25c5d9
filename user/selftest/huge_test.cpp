// SPDX-License-Identifier: MIT
// Memory in pages of 2 MiB: one fault each, small pages where something differs, large ones again.
// Where the machine has no memory in one piece all is small, and everything else is the same.
#include "user/selftest/crew.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"
#include "user/selftest/probe.hpp"

#include <array>

namespace selftest {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t block = user::large_page;
constexpr std::uint64_t block_pages = block / page_size;
constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
/// Far from everything else in the process.
constexpr std::uint64_t far_away = 0x2800'0000'0000;

Result<std::uint64_t> map_huge(std::uint64_t address, std::uint64_t bytes,
                               std::uint32_t flags = 0) {
    return user::map(bytes, {.address = address, .flags = abi::map_fixed | abi::map_huge | flags});
}
abi::ProcessInfo own() {
    const auto info = user::process_info(abi::no_handle);
    return info ? *info : abi::ProcessInfo{};
}
/// Whether the block is one present page.
bool is_large(std::uint64_t start) {
    const auto run = user::nearest(abi::no_handle, start, abi::Direction::up);
    return run.ok() && run->start <= start && start + block <= run->end &&
           run->state == abi::State::present && run->levels == 2;
}
/// A word of its own in every 4 KiB.
void fill(std::uint64_t start) {
    for (std::uint64_t page = 0; page < block_pages; ++page)
        word_at(start + page * page_size + 8) = page + 1;
}
void expect_filled(std::uint64_t start, std::uint64_t first = 0, std::uint64_t last = block_pages,
                   Place place = {}) {
    for (std::uint64_t page = first; page < last; ++page) {
        if (word_at(start + page * page_size + 8) == page + 1 &&
            word_at(start + page * page_size) == 0)
            continue;
        return fail("memory forgot", place);
    }
}

void one_fault_a_block() {
    constexpr std::uint64_t count = 3;
    const auto address = REQUIRE(user::map(count * block, {.flags = abi::map_huge}));
    EXPECT_EQUAL(address % block, 0);
    const abi::ProcessInfo before = own();
    for (std::uint64_t at = 0; at < count * block; at += page_size) {
        if (word_at(address + at + 4088) != 0) return fail("fresh memory is not zero", {});
    }
    for (std::uint64_t n = 0; n < count; ++n) fill(address + n * block);
    const abi::ProcessInfo after = own();
    EXPECT_EQUAL(after.faults - before.faults, count);
    EXPECT_EQUAL(after.anonymous - before.anonymous, count * block_pages);
    EXPECT_EQUAL(after.tables - before.tables, 0);
    EXPECT_EQUAL(after.committed, before.committed);
    for (std::uint64_t n = 0; n < count; ++n) {
        EXPECT(is_large(address + n * block));
        expect_filled(address + n * block);
    }
    REQUIRE(user::unmap(address, count * block));
    EXPECT_EQUAL(own().anonymous, before.anonymous);
    // Memory that is used again shows nothing of what was in it.
    REQUIRE(map_huge(address, count * block));
    for (std::uint64_t at = 0; at < count * block; at += page_size) {
        if (word_at(address + at + 8) != 0) return fail("used memory is not zero", {});
    }
    REQUIRE(user::unmap(address, count * block));
}

void edges_are_small() {
    const std::uint64_t start = far_away + block - 2 * page_size;
    REQUIRE(map_huge(start, block + 4 * page_size));
    const std::uint64_t last = far_away + 2 * block + page_size;
    const std::uint64_t before = own().anonymous;
    for (const std::uint64_t at : {start, far_away + block + mebibyte, last}) word_at(at) = 1;
    EXPECT_EQUAL(own().anonymous - before, block_pages + 2);
    EXPECT(is_large(far_away + block));
    for (const std::uint64_t edge : {start, last}) {
        const auto run = REQUIRE(user::nearest(abi::no_handle, edge, abi::Direction::up));
        EXPECT_EQUAL(run.levels, 1);
        EXPECT_EQUAL(run.end - run.start, page_size);
    }
    REQUIRE(user::unmap(start, block + 4 * page_size));
}

void parts_with_other_rights() {
    REQUIRE(map_huge(far_away, block));
    fill(far_away);
    const std::uint64_t page = far_away + 300 * page_size;
    word_at(page + 8) = 0; // for the probes
    const abi::ProcessInfo before = own();
    REQUIRE(user::protect(page, page_size, abi::access_read));
    EXPECT(!is_large(far_away));
    EXPECT(can_read(page) && !can_write(page));
    EXPECT(can_write(page + page_size) && can_write(page - page_size));
    EXPECT_EQUAL(own().committed, before.committed);
    REQUIRE(user::protect(page, page_size, abi::access_none));
    EXPECT(!can_read(page));
    EXPECT_EQUAL(own().anonymous, before.anonymous);
    REQUIRE(user::protect(page, page_size, read_write));
    EXPECT(is_large(far_away));
    EXPECT_EQUAL(own().tables, before.tables);
    word_at(page + 8) = 301;
    expect_filled(far_away);
    REQUIRE(user::unmap(far_away, block));
}

void whole_without_rights() {
    REQUIRE(map_huge(far_away, 2 * block));
    fill(far_away);
    fill(far_away + block);
    REQUIRE(user::protect(far_away, 2 * block, abi::access_none));
    EXPECT(!can_read(far_away + mebibyte));
    auto run = REQUIRE(user::nearest(abi::no_handle, far_away, abi::Direction::up));
    EXPECT(run.state == abi::State::parked && run.levels == 2 && run.present == 2 * block_pages);
    // A part comes back, then the rest.
    REQUIRE(user::protect(far_away + mebibyte, block, abi::access_read));
    expect_filled(far_away, block_pages / 2);
    expect_filled(far_away + block, 0, block_pages / 2);
    EXPECT(!can_read(far_away + mebibyte - page_size));
    REQUIRE(user::protect(far_away, 2 * block, read_write));
    EXPECT(is_large(far_away) && is_large(far_away + block));
    expect_filled(far_away);
    expect_filled(far_away + block);
    REQUIRE(user::unmap(far_away, 2 * block));
}

void parts_dropped_and_unmapped() {
    REQUIRE(map_huge(far_away, 2 * block));
    const abi::ProcessInfo empty = own();
    fill(far_away);
    fill(far_away + block);
    REQUIRE(user::discard(far_away + 100 * page_size, 12 * page_size));
    EXPECT_EQUAL(own().anonymous - empty.anonymous, 2 * block_pages - 12);
    EXPECT_EQUAL(word_at(far_away + 105 * page_size + 8), 0);
    expect_filled(far_away, 0, 100);
    expect_filled(far_away, 112);
    REQUIRE(user::unmap(far_away + block, page_size));
    EXPECT(!can_read(far_away + block));
    expect_filled(far_away + block, 1);
    EXPECT_EQUAL(own().anonymous - empty.anonymous, 2 * block_pages - 13);
    // Whole again, and as at first.
    REQUIRE(map_huge(far_away + block, page_size));
    REQUIRE(user::discard(far_away, 2 * block));
    EXPECT_EQUAL(own().anonymous, empty.anonymous);
    EXPECT_EQUAL(own().committed, empty.committed);
    fill(far_away + block);
    EXPECT(is_large(far_away + block));
    REQUIRE(user::unmap(far_away, 2 * block));
}

void mapped_over() {
    REQUIRE(map_huge(far_away, block));
    fill(far_away);
    REQUIRE(user::map(3 * page_size, {.address = far_away + 7 * page_size,
                                      .access = abi::access_read,
                                      .flags = abi::map_replace}));
    expect_filled(far_away, 0, 7);
    expect_filled(far_away, 10);
    EXPECT(can_read(far_away + 8 * page_size) && !can_write(far_away + 8 * page_size));
    REQUIRE(user::map(block, {.address = far_away, .flags = abi::map_replace | abi::map_huge}));
    EXPECT_EQUAL(word_at(far_away + 8), 0);
    EXPECT(is_large(far_away));
    REQUIRE(user::unmap(far_away, block));
}

/// The kernel's own copies touch it as the process does.
void filled_by_the_kernel() {
    REQUIRE(map_huge(far_away, 2 * block, abi::map_noreserve));
    const std::uint64_t before = own().committed;
    auto* const across = reinterpret_cast<abi::ProcessInfo*>(far_away + block - 40);
    EXPECT_EQUAL(user::system_call<user::Call::process_info>(abi::no_handle, across,
                                                             sizeof(abi::ProcessInfo)),
                 sizeof(abi::ProcessInfo));
    EXPECT(is_large(far_away) && is_large(far_away + block));
    EXPECT_EQUAL(across->id, own().id);
    // What was not promised is charged when it comes, and given back.
    EXPECT_EQUAL(own().committed - before, 2 * (block_pages + 1));
    REQUIRE(user::unmap(far_away, 2 * block));
    EXPECT_EQUAL(own().committed <= before, true);
}

void refused_requests() {
    EXPECT_ERROR(user::map(block, {.flags = abi::map_huge | abi::map_guard}),
                 Error::invalid_argument);
    EXPECT_ERROR(user::map(block, {.flags = abi::map_huge | abi::map_grow}),
                 Error::invalid_argument);
    EXPECT_ERROR(user::map(block + 1, {.flags = abi::map_huge}), Error::invalid_argument);
}

/// All touch the same blocks at once, then each changes pages of its own in them, again and again.
void by_many_threads() {
    constexpr std::uint64_t blocks = 2;
    const unsigned count = crew_size();
    const unsigned rounds = stress_rounds(20);
    REQUIRE(map_huge(far_away, blocks * block));
    std::atomic<unsigned> here{0};
    const auto together = [&](unsigned round) {
        here.fetch_add(1);
        wait_until([&] { return here.load() >= count * round; });
    };
    auto work = [&](unsigned number) {
        Sequence sequence(number);
        unsigned turns = 0;
        for (unsigned round = 1; round <= rounds; ++round) {
            together(++turns);
            for (std::uint64_t n = 0; n < blocks; ++n)
                expect(word_at(far_away + n * block + number * 8) == 0, "fresh memory");
            together(++turns);
            for (std::uint64_t n = 0; n < blocks; ++n)
                word_at(far_away + n * block + number * 8) = number + round;
            for (unsigned change = 0; change < 4; ++change) {
                const std::uint64_t page =
                    far_away + (1 + number + sequence.below(60) * 16) * page_size;
                word_at(page) = round;
                expect_ok(user::protect(page, page_size,
                                        change % 2 == 0 ? abi::access_read : abi::access_none),
                          "protect");
                expect(!can_write(page), "a page without the right to write");
                expect_ok(user::protect(page, page_size, read_write), "back");
                expect(word_at(page) == round, "an own page");
                for (std::uint64_t n = 0; n < blocks; ++n)
                    expect(word_at(far_away + n * block + number * 8) == number + round,
                           "an own word");
            }
            together(++turns);
            if (number == 0) expect_ok(user::discard(far_away, blocks * block), "discard");
        }
    };
    (void)run_crew(count, work);
    // Nothing is left of all that was split.
    for (std::uint64_t n = 0; n < blocks; ++n) {
        word_at(far_away + n * block) = 1;
        EXPECT(is_large(far_away + n * block));
    }
    REQUIRE(user::unmap(far_away, blocks * block));
}

constexpr Test tests[] = {
    {"a block of 2 MiB comes with one fault, zeroed", one_fault_a_block},
    {"edges that are no whole block are small", edges_are_small},
    {"a page with other rights splits the block, which comes together again",
     parts_with_other_rights},
    {"blocks without rights keep their memory", whole_without_rights},
    {"parts are dropped and unmapped", parts_dropped_and_unmapped},
    {"mapped over, in part and whole", mapped_over},
    {"the kernel's copies bring blocks too", filled_by_the_kernel},
    {"what huge does not go with is refused", refused_requests},
    {"many threads touch, split and fold the same blocks", by_many_threads},
};

} // namespace

constinit const Suite huge_suite{"huge", tests};

} // namespace selftest
