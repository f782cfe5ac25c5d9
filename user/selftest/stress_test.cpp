// SPDX-License-Identifier: MIT
// Stress of one map by threads on all processors: the same amount of work in every run.
#include "user/selftest/crew.hpp"
#include "user/selftest/probe.hpp"
#include "user/selftest/stress.hpp"

namespace selftest {
namespace {

/// Far from everything else, and across the border of two page tables.
constexpr std::uint64_t border = 0x20'0000'0000;
constexpr std::uint64_t table_bytes = 2 << 20;

/// A debug kernel validates all maps at this call, amid whatever others do.
void let_validate(unsigned number, unsigned round) {
    if (number == 0 && round % 16 == 0) (void)user::memory_info();
}

/// Each thread maps, touches, protects and unmaps one page: `stride` bytes lie between them.
void one_page_each(std::uint64_t stride) {
    const unsigned count = crew_size();
    const unsigned rounds = stress_rounds(40);
    auto work = [&](unsigned number) {
        const std::uint64_t page = border - page_size + number * stride;
        for (unsigned round = 1; round <= rounds; ++round) {
            const auto mapped = user::map(page_size, {.address = page, .flags = abi::map_fixed});
            if (!expect_ok(mapped, "map")) return;
            expect(word_at(page) == 0, "a fresh page");
            word_at(page) = round;
            expect_ok(user::protect(page, page_size, abi::access_read), "protect");
            expect(word_at(page) == round, "a read-only page");
            expect(!can_write(page), "a write to a read-only page");
            expect_ok(user::protect(page, page_size, abi::access_read | abi::access_write), "back");
            word_at(page) = word_at(page) + 1;
            expect(word_at(page) == round + 1, "an own page");
            expect_ok(user::unmap(page, page_size), "unmap");
            expect(!can_read(page), "an unmapped page");
            let_validate(number, round);
        }
    };
    (void)run_crew(count, work);
}

void disjoint() { one_page_each(32 << 20); }
void neighbours() { one_page_each(page_size); }

/// What first fit gives is one's own until one gives it back.
void anywhere() {
    const unsigned rounds = stress_rounds(40);
    auto work = [&](unsigned number) {
        Sequence sequence(number);
        for (unsigned round = 0; round < rounds; ++round) {
            const std::uint64_t bytes = (1 + sequence.below(6)) * page_size;
            const auto memory = user::map(bytes);
            if (!expect_ok(memory, "map")) return;
            for (std::uint64_t at = *memory; at < *memory + bytes; at += page_size) {
                expect(word_at(at) == 0, "a fresh page");
                word_at(at) = number + 1;
            }
            if (round % 4 == 0) user::yield();
            for (std::uint64_t at = *memory; at < *memory + bytes; at += page_size)
                expect(word_at(at) == number + 1, "an own page");
            expect_ok(user::unmap(*memory, bytes), "unmap");
            let_validate(number, round);
        }
    };
    (void)run_crew(crew_size(), work);
}

template <typename T>
void expect_done_or(const Result<T>& result, Error allowed, std::string_view what) {
    if (!result.ok() && result.error() != allowed) expect_ok(result, what);
}

/// All change the same few pages and touch them through the kernel, which tells of a fault instead
/// of ending the process.
void one_region() {
    constexpr std::uint64_t pages = 16;
    constexpr std::uint64_t start = border - pages / 2 * page_size;
    const unsigned rounds = stress_rounds(120);
    auto work = [&](unsigned number) {
        constexpr std::uint32_t read_write = abi::access_read | abi::access_write;
        Sequence sequence(number);
        for (unsigned round = 0; round < rounds; ++round) {
            const std::uint64_t first = sequence.below(pages);
            const std::uint64_t at = start + first * page_size;
            const std::uint64_t bytes = (1 + sequence.below(pages - first)) * page_size;
            switch (sequence.below(9)) {
            case 0:
                expect_ok(user::map(bytes, {.address = at, .flags = abi::map_replace}), "replace");
                break;
            case 1:
                expect_done_or(user::map(bytes, {.address = at, .flags = abi::map_fixed}),
                               Error::already_mapped, "map");
                break;
            case 2: expect_ok(user::unmap(at, bytes), "unmap"); break;
            case 3: // so much that tables go
                expect_ok(user::unmap(border - table_bytes, 2 * table_bytes), "unmap tables");
                break;
            case 4:
                expect_done_or(user::protect(at, bytes, abi::access_none), Error::not_mapped,
                               "park");
                break;
            case 5:
                expect_done_or(user::protect(at, bytes, read_write), Error::not_mapped, "protect");
                break;
            case 6: expect_done_or(user::discard(at, bytes), Error::not_mapped, "discard"); break;
            case 7: (void)can_read(at); break;
            default: (void)can_write(at);
            }
            let_validate(number, round);
        }
    };
    (void)run_crew(crew_size(), work);
    expect_ok(user::unmap(border - table_bytes, 2 * table_bytes), "unmap all");
}

/// All want the next page of a region that grows; each page is given once.
void growing() {
    const std::uint64_t pages = stress_rounds(60);
    std::atomic<std::uint64_t> given{0};
    auto work = [&](unsigned number) {
        for (std::uint64_t page = 0; page < pages; ++page) {
            const std::uint64_t at = border - 30 * page_size + page * page_size;
            const auto mapped = user::map(page_size, {.address = at, .flags = abi::map_fixed});
            expect_done_or(mapped, Error::already_mapped, "map");
            if (mapped) given.fetch_add(1);
            word_at(at + 8 * number) = page + 1;
        }
    };
    if (!run_crew(crew_size(), work)) return;
    EXPECT_EQUAL(given.load(), pages);
    for (std::uint64_t page = 0; page < pages; ++page) {
        for (unsigned number = 0; number < crew_size(); ++number)
            EXPECT_EQUAL(word_at(border + (page - 30) * page_size + 8 * number), page + 1);
    }
    EXPECT_OK(user::unmap(border - 30 * page_size, pages * page_size));
}

/// What thread 0 does to a page in one step, and what the others must find afterwards.
struct Step {
    Result<void> (*change)(std::uint64_t page);
    bool readable;
    bool writable;
    bool keeps; ///< the content
};
constexpr Step steps[] = {
    {[](std::uint64_t page) { return user::protect(page, page_size, abi::access_read); }, true,
     false, true},
    {[](std::uint64_t page) { return user::protect(page, page_size, abi::access_none); }, false,
     false, true},
    {[](std::uint64_t page) {
         return user::protect(page, page_size, abi::access_read | abi::access_write);
     },
     true, true, true},
    {[](std::uint64_t page) { return user::discard(page, page_size); }, true, true, false},
    {[](std::uint64_t page) -> Result<void> {
         TRY(user::map(page_size, {.address = page, .flags = abi::map_replace}));
         return {};
     },
     true, true, false},
    {[](std::uint64_t page) { return user::unmap(page, page_size); }, false, false, false},
    {[](std::uint64_t) { return user::unmap(border - table_bytes, 2 * table_bytes); }, false, false,
     false},
};

/// Thread 0 writes to a page, changes its mapping, and tells the others, which had the page in
/// their TLBs: they must find what is there now, never what was.
void tokens() {
    constexpr std::uint64_t page = border - page_size;
    const unsigned count = crew_size();
    const unsigned rounds = stress_rounds(6);
    std::atomic<std::uint64_t> told{0};
    std::atomic<std::uint64_t> answers{0};
    const auto tell = [&] {
        const std::uint64_t token = told.fetch_add(1) + 1;
        wait_until([&] { return answers.load() == token * (count - 1); });
    };
    std::uint64_t followed = 0; // by each of the others: its own copy
    auto work = [&, followed](unsigned number) mutable {
        const auto follow = [&](auto&& look) {
            ++followed;
            wait_until([&] { return told.load() == followed; });
            look();
            answers.fetch_add(1);
        };
        for (unsigned round = 1; round <= rounds; ++round) {
            for (const Step& step : steps) {
                if (number == 0) {
                    expect_ok(user::map(page_size, {.address = page, .flags = abi::map_replace}),
                              "map");
                    word_at(page) = round;
                    tell();
                    expect_ok(step.change(page), "a step");
                    tell();
                    continue;
                }
                follow([&] { expect(word_at(page) == round && can_write(page), "what is there"); });
                follow([&] {
                    expect(can_read(page) == step.readable, "readable");
                    expect(can_write(page) == step.writable, "writable");
                    if (step.readable)
                        expect(word_at(page) == (step.keeps ? round : 0), "a stale page");
                });
            }
        }
    };
    struct Own { // run_crew shares its work: each thread takes a copy of it
        decltype(work)& all;
        void operator()(unsigned number) {
            auto mine = all;
            mine(number);
        }
    } own{work};
    (void)run_crew(count, own);
    expect_ok(user::unmap(border - table_bytes, 2 * table_bytes), "unmap all");
}

/// Threads come and go, each with a stack, on all processors.
void threads() {
    const unsigned rounds = stress_rounds(10);
    std::atomic<unsigned> ran{0};
    auto work = [&](unsigned) {
        for (unsigned round = 0; round < rounds; ++round) {
            auto count_one = [&] { ran.fetch_add(1); };
            auto thread = user::Thread::start(count_one);
            if (!expect_ok(thread, "thread")) return;
            expect_ok(thread->join(), "join");
        }
    };
    const unsigned count = crew_size();
    if (run_crew(count, work)) EXPECT_EQUAL(ran.load(), count * rounds);
}

constexpr Test tests[] = {
    {"disjoint", disjoint},
    {"neighbours", neighbours},
    {"anywhere", anywhere},
    {"one_region", one_region},
    {"growing", growing},
    {"tokens", tokens},
    {"threads", threads},
    {"lost_page_ends", lost_page_ends},
    {"spawn_while_faulting", spawn_while_faulting},
    {"kill_while_faulting", kill_while_faulting},
    {"calls_everywhere", calls_everywhere},
    {"kill_while_calling", kill_while_calling},
};

} // namespace

constinit const Suite stress_suite{"stress", tests};

} // namespace selftest
