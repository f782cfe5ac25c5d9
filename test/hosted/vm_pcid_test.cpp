// SPDX-License-Identifier: MIT
// Which translations a CPU may keep of the spaces that it left: cases, and CPUs that switch, change
// and flush in random order over a model of tagged TLBs.
#include "vm/pcid_cache.hpp"
#include "vm/translations.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace {

using vm::PcidCache;
using vm::Translations;

bool keeps(PcidCache& cache, std::uint64_t number, std::uint64_t changes = 0) {
    return cache.enter(number, changes, false).kept;
}

} // namespace

TEST_CASE("pcid: a space that comes back finds its own, if nothing changed") {
    PcidCache cache;
    CHECK_FALSE(keeps(cache, 0));
    const PcidCache::Entered first = cache.enter(5, 7, false);
    CHECK_FALSE(first.kept);
    CHECK(first.pcid != 0);
    CHECK(cache.enter(0, 0, false).pcid == 0);
    const PcidCache::Entered again = cache.enter(5, 7, false);
    CHECK(again.kept);
    CHECK(again.user_kept);
    CHECK(again.pcid == first.pcid);
    CHECK(keeps(cache, 0));
    CHECK_FALSE(keeps(cache, 5, 8));
    CHECK(keeps(cache, 0));
    CHECK(keeps(cache, 5, 8));
}

TEST_CASE("pcid: changes that were flushed while the space ran count, in turn only") {
    PcidCache cache;
    CHECK_FALSE(keeps(cache, 5, 7));
    cache.flushed(8);
    cache.flushed(9);
    CHECK_FALSE(keeps(cache, 0));
    CHECK(keeps(cache, 5, 9));
    cache.flushed(11); // 10 may not have been flushed yet
    cache.flushed(10);
    CHECK(keeps(cache, 0));
    CHECK_FALSE(keeps(cache, 5, 11));
    cache.flushed(11); // counted when the space was entered
    CHECK(keeps(cache, 0));
    CHECK(keeps(cache, 5, 11));
    cache.flushed(0); // of no number
    CHECK(keeps(cache, 0));
    CHECK(keeps(cache, 5, 11));
}

TEST_CASE("pcid: each space has one to itself, and who had one longest loses it") {
    PcidCache cache;
    CHECK_FALSE(keeps(cache, 0));
    std::set<unsigned> given;
    constexpr unsigned spaces = PcidCache::count - 1;
    for (unsigned number = 1; number <= spaces; ++number)
        given.insert(cache.enter(number, 0, false).pcid);
    CHECK(given.size() == spaces);
    CHECK_FALSE(given.contains(0));
    CHECK(*given.rbegin() < PcidCache::count);
    for (unsigned number = 0; number <= spaces; ++number) CHECK(keeps(cache, number));
    CHECK_FALSE(keeps(cache, 100)); // takes the first one's
    CHECK(keeps(cache, 2));
    CHECK_FALSE(keeps(cache, 1)); // takes the second's, which was given before the others
    CHECK_FALSE(keeps(cache, 2));
    CHECK(keeps(cache, 100));
    CHECK(keeps(cache, 0));
    // A number is never given twice, so a space that takes another's keeps nothing of it.
    for (std::uint64_t number = 1'000; number < 1'100; ++number) CHECK_FALSE(keeps(cache, number));
    CHECK(keeps(cache, 0));
}

TEST_CASE("pcid: what is forgotten is flushed at the next load, and only then") {
    PcidCache cache;
    CHECK_FALSE(keeps(cache, 0));
    CHECK_FALSE(keeps(cache, 1));
    CHECK_FALSE(keeps(cache, 2));
    cache.forget_others();
    CHECK_FALSE(keeps(cache, 0));
    CHECK(keeps(cache, 2));
    CHECK_FALSE(keeps(cache, 1));
    for (const unsigned number : {0U, 1U, 2U}) CHECK(keeps(cache, number));
}

TEST_CASE("pcid: what user mode's root still owes is not lost by a switch") {
    PcidCache cache;
    CHECK_FALSE(cache.enter(1, 0, false).user_kept);
    cache.enter(2, 0, true);
    const PcidCache::Entered back = cache.enter(1, 0, false);
    CHECK(back.kept);
    CHECK_FALSE(back.user_kept);
    cache.enter(2, 0, false); // it was flushed meanwhile
    CHECK(cache.enter(1, 0, false).user_kept);
    cache.enter(2, 0, true);
    CHECK_FALSE(cache.enter(1, 1, false).kept);
    CHECK_FALSE(cache.enter(2, 1, false).user_kept);
}

namespace {

constexpr unsigned cpus = 3;
constexpr unsigned spaces = 10; // number 0 runs where nothing does; more than have a PCID
constexpr unsigned pages = 4;

/// Entries are versions: a change makes the next. Once it was flushed, an older one may not be
/// used.
struct Space {
    Translations translations;
    std::array<unsigned, pages> entry{};
    std::array<unsigned, pages> oldest_allowed{};
};

struct Cpu {
    PcidCache cache;
    std::map<std::tuple<unsigned, unsigned>, unsigned> tlb; // PCID, page: version
    unsigned pcid = 0;
    unsigned space = 0;
    // A switch, a flush: what was done of it. 0: nothing begun.
    unsigned switching = 0;
    unsigned next = 0;
    std::uint64_t changes = 0;
    unsigned flushing = 0;
    unsigned flushed_space = 0;
    unsigned page = 0;
    unsigned version = 0;
    std::uint64_t change = 0;
    std::vector<unsigned> unasked;
    std::set<unsigned> askers;
    unsigned kept = 0;
};

/// Each step of a CPU is one access to what is shared, so steps in any order are what CPUs can do.
class Model {
public:
    explicit Model(unsigned seed) : random_(seed) {
        for (unsigned number = 0; number < spaces; ++number)
            spaces_[number].translations.number = number;
        for (Cpu& cpu : cpus_) cpu.cache.enter(0, 0, false);
    }
    /// False once a CPU used what a finished flush should have taken.
    bool step() {
        const unsigned number = pick(cpus);
        Cpu& cpu = cpus_[number];
        if (cpu.switching != 0) {
            go_on_switching(cpu, number);
        } else if (!cpu.askers.empty() && pick(2) == 0) {
            answer(cpu);
        } else if (cpu.flushing != 0) {
            go_on_flushing(cpu, number);
        } else if (pick(8) == 0) {
            cpu.next = pick(spaces);
            if (cpu.next != cpu.space) cpu.switching = 1;
        } else if (pick(6) == 0) {
            cpu.flushed_space = pick(3) == 0 ? 1 + pick(spaces - 1) : cpu.space;
            if (cpu.flushed_space != 0) cpu.flushing = 1;
        } else if (cpu.space != 0) {
            return use(cpu, pick(pages));
        }
        return true;
    }
    unsigned kept() const {
        unsigned sum = 0;
        for (const Cpu& cpu : cpus_) sum += cpu.kept;
        return sum;
    }

private:
    unsigned pick(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    void go_on_switching(Cpu& cpu, unsigned number) {
        Space& next = spaces_[cpu.next];
        switch (cpu.switching++) {
        case 1: next.translations.running.add(number); return;
        case 2: cpu.changes = cpu.next == 0 ? 0 : next.translations.generation.load(); return;
        case 3: {
            const PcidCache::Entered entered = cpu.cache.enter(cpu.next, cpu.changes, false);
            if (!entered.kept)
                std::erase_if(cpu.tlb, [&](const auto& item) {
                    return std::get<0>(item.first) == entered.pcid;
                });
            cpu.kept += entered.kept ? 1 : 0;
            cpu.pcid = entered.pcid;
            std::swap(cpu.space, cpu.next);
            return;
        }
        default:
            spaces_[cpu.next].translations.running.remove(number);
            cpu.switching = 0;
            return;
        }
    }
    void go_on_flushing(Cpu& cpu, unsigned number) {
        Space& space = spaces_[cpu.flushed_space];
        switch (cpu.flushing) {
        case 1:
            cpu.page = pick(pages);
            cpu.version = ++space.entry[cpu.page];
            break;
        case 2: cpu.change = space.translations.count_change(); break;
        case 3:
            flush(cpu, cpu.flushed_space, cpu.page, cpu.change);
            space.translations.running.for_each([&](unsigned other) {
                if (other != number) cpu.unasked.push_back(other);
            });
            for (const unsigned other : cpu.unasked) cpus_[other].askers.insert(number);
            break;
        default:
            if (!cpu.unasked.empty()) return; // it waits, and answers
            unsigned& oldest = space.oldest_allowed[cpu.page];
            oldest = std::max(oldest, cpu.version);
            cpu.flushing = 0;
            return;
        }
        ++cpu.flushing;
    }
    void flush(Cpu& cpu, unsigned space, unsigned page, std::uint64_t change) {
        if (cpu.space != space) return;
        cpu.tlb.erase({cpu.pcid, page});
        cpu.cache.flushed(change);
    }
    void answer(Cpu& cpu) {
        const unsigned asker = *cpu.askers.begin();
        cpu.askers.erase(asker);
        Cpu& other = cpus_[asker];
        flush(cpu, other.flushed_space, other.page, other.change);
        std::erase(other.unasked, static_cast<unsigned>(&cpu - cpus_.data()));
    }
    bool use(Cpu& cpu, unsigned page) {
        const Space& space = spaces_[cpu.space];
        const auto [cached, fresh] = cpu.tlb.try_emplace({cpu.pcid, page}, space.entry[page]);
        return cached->second >= space.oldest_allowed[page];
    }

    std::mt19937 random_;
    std::array<Space, spaces> spaces_{};
    std::array<Cpu, cpus> cpus_{};
};

} // namespace

TEST_CASE("pcid: no CPU ever uses what a finished flush took, and much is kept") {
    Translations::expect_kept();
    unsigned kept = 0;
    for (unsigned seed = 1; seed <= 200; ++seed) {
        Model model(seed);
        for (unsigned step = 0; step < 5'000; ++step)
            REQUIRE_MESSAGE(model.step(), "seed ", seed, ", step ", step);
        kept += model.kept();
    }
    CHECK(kept > 1'000);
}
