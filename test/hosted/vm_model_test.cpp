// SPDX-License-Identifier: MIT
// Random operations on an address space against a plain array of pages: after each one, runs,
// contents, counts, charge and everything cached must be what the array says.
//
// With one seed, or in a long run (shim/seeds.hpp), the whole structure is checked after each
// operation, not after every third.
#include "shim/check.hpp"
#include "shim/map_model.hpp"
#include "shim/seeds.hpp"
#include "vm/charge.hpp"
#include "vm/space.hpp"
#include "vm/validate.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using namespace vm;
using shim::Machine;
using shim::MachineOptions;
using shim::MapModel;
using shim::Space;
using Content = MapModel::Content;
using Part = MapModel::Part;

constexpr unsigned steps = 110;

struct Difference : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::string words(Access access) {
    return {access.readable() ? 'r' : '-', access.writable() ? 'w' : '-',
            access.executable() ? 'x' : '-'};
}

const bool thorough = shim::runs_one_seed() || shim::runs_long();

/// What a page written with a seed holds at a word; all other words are zero.
constexpr unsigned written_words[] = {0, 200, 511};
std::uint64_t word_of(std::uint64_t seed, unsigned index) {
    return seed == 0 ? 0 : seed * 0x9e3779b97f4a7c15 + index;
}

/// A space, and what it should be.
struct World {
    std::unique_ptr<Space> space;
    MapModel model;
};

class Trial {
public:
    struct Options {
        bool mirrored_roots = false;
        bool no_execute = true;
        bool forks = false; ///< several spaces, which come from one
    };
    Trial(std::uint64_t seed, const Options& options)
        : random_(seed), forks_(options.forks),
          machine_(
              {.zones = {{PhysAddr{0x100000}, PhysAddr{options.forks ? 0x2000000UL : 0xa00000}},
                         {PhysAddr{0x100000000}, PhysAddr{0x100200000}}},
               .processor = {.no_execute = options.no_execute, .smep = options.no_execute},
               .mirrored_roots = options.mirrored_roots,
               .commit_limit = PageCount{1ULL << 40}}) {
        worlds_.push_back(std::make_unique<World>(std::make_unique<Space>(machine_), MapModel()));
    }

    void run() {
        for (unsigned step = 0; step < steps; ++step) {
            shim::set_cpu(static_cast<unsigned>(random_() % 2));
            if (chance(8)) {
                machine_.mmu().load_root(port::cpu(), space()->user_root().value);
                machine_.mmu().prefetch(port::cpu());
            }
            if (forks_) other_world();
            one();
            if (forks_) adopt_zeros();
            compare();
            if (forks_ && chance(4)) compare_others();
        }
        for (current_ = 0; current_ + 1 < worlds_.size(); ++current_) check_all();
        check_all();
        shim::set_cpu(0);
    }

    std::string log() const { return log_; }

private:
    Space& space() { return *worlds_[current_]->space; }
    MapModel& model() { return worlds_[current_]->model; }

    void check_all() {
        for (std::size_t index = 0; index < model().cells().size(); ++index) check_content(index);
        check_structure();
    }

    /// Goes on in another space, perhaps a new one, a copy of this one; or ends this one.
    void other_world() {
        if (worlds_.size() < 5 && chance(8)) {
            log_ += "fork\n";
            auto copy = std::make_unique<Space>(machine_, *space());
            worlds_.push_back(std::make_unique<World>(std::move(copy), model()));
            compare();
            current_ = worlds_.size() - 1;
            compare();
        } else if (worlds_.size() > 1 && chance(20)) {
            log_ += "end\n";
            worlds_.erase(worlds_.begin() + static_cast<std::ptrdiff_t>(current_));
            current_ = 0;
        }
        if (!chance(2)) return;
        current_ = random_() % worlds_.size();
        log_ += "space " + std::to_string(current_) + "\n";
    }

    /// A first read brings the frame of zeros for all who have the table in common.
    void adopt_zeros() {
        for (const auto& world : worlds_) {
            for (MapModel::Cell& cell : world->model.cells()) {
                if (!cell.mapped || cell.content != Content::none || !cell.single()) continue;
                const auto frame = (*world->space)->frame_of(VirtAddr{cell.start});
                if (frame.ok() && *frame == zero_frame()) cell.content = Content::zero;
            }
        }
    }

    /// What was done in one space changed nothing in another.
    void compare_others() {
        const std::size_t here = current_;
        for (current_ = 0; current_ < worlds_.size(); ++current_)
            if (current_ != here) compare();
        current_ = here;
    }

    bool chance(unsigned one_in) { return random_() % one_in == 0; }

    void require(bool holds, const std::string& what) {
        if (!holds) throw Difference(what);
    }

    void note(const std::string& what, Part part) {
        char text[64];
        std::snprintf(text, sizeof text, " [%lx, %lx)", model().range(part).start.value,
                      model().range(part).end.value);
        log_ += what + text + "\n";
    }

    Part some_part() {
        const std::size_t count = model().cells().size();
        const std::size_t first = random_() % count;
        const std::size_t most = chance(6) ? count : chance(2) ? 30 : 5;
        return {first, std::min(count, first + 1 + random_() % most)};
    }

    std::size_t some_page() {
        for (;;) {
            const std::size_t index = random_() % model().cells().size();
            if (model().cell(index).single()) return index;
        }
    }

    Access some_access() {
        constexpr Access all[] = {Access::none(), Access::read(), Access::read_write(),
                                  Access::read_execute(), Access::read_write()};
        return all[random_() % 5];
    }

    void one() {
        switch (random_() % 19) {
        case 0:
        case 1: map(Placement::fixed); break;
        case 2: map(Placement::replace); break;
        case 3: map_first_fit(); break;
        case 4: unmap(); break;
        case 5:
        case 6: protect(); break;
        case 7: discard(); break;
        case 8: populate(); break;
        case 9: search(); break;
        case 10: nearest(); break;
        case 11: map_last_fit(); break;
        case 12: grow(); break;
        case 13: map_block(); break;
        case 14: touch_block(); break;
        case 15: watch(); break;
        default: touch_some(); break;
        }
    }

    void map(Placement placement) {
        const Part part = some_part();
        const Access access = some_access();
        const Ceiling ceiling =
            chance(3) ? Ceiling::from_bits(static_cast<unsigned>(random_())) : Ceiling::all();
        const bool noreserve = chance(2);
        const bool guard = chance(8);
        const bool huge = !guard && chance(2);
        const bool can_grow = !guard && !huge && model().pages(part) > 1 && access.readable();
        const Growth growth = !can_grow || !chance(3) ? Growth::none
                              : chance(2)             ? Growth::down
                                                      : Growth::up;
        note("map " + words(access) + " ceiling " + std::to_string(ceiling.bits()) +
                 (placement == Placement::fixed ? " fixed" : " replace") +
                 (noreserve ? " noreserve" : "") + (guard ? " guard" : "") + (huge ? " huge" : "") +
                 (growth != Growth::none ? " growing" : ""),
             part);
        const auto result = space()->map({.address = model().range(part).start,
                                          .pages = {model().pages(part)},
                                          .placement = placement,
                                          .access = access,
                                          .ceiling = ceiling,
                                          .noreserve = noreserve,
                                          .guard = guard || growth != Growth::none,
                                          .huge = huge,
                                          .growth = growth});
        if (!ceiling.allows(access)) {
            require(!result.ok(), "a mapping beyond its ceiling");
        } else if (placement == Placement::fixed && model().any_mapped(part)) {
            require(!result.ok() && result.error() == Error::already_mapped, "not already_mapped");
        } else {
            require(result.ok() && *result == model().range(part).start, "map failed");
            model().map(part, access, ceiling, noreserve, guard, huge, growth);
        }
    }

    /// The cells of a block of 2 MiB that has single pages.
    Part some_block() {
        const std::uint64_t size = page_size << block_order;
        for (;;) {
            const std::uint64_t start = align_down(model().cell(some_page()).start, size);
            if (const auto part = model().part(start, start + size)) return *part;
        }
    }

    void map_block() {
        const Part part = some_block();
        const bool noreserve = chance(2);
        note(noreserve ? "map a block, noreserve" : "map a block", part);
        require(space()
                    ->map({.address = model().range(part).start,
                           .pages = {model().pages(part)},
                           .placement = Placement::replace,
                           .noreserve = noreserve,
                           .huge = true})
                    .ok(),
                "map failed");
        model().map(part, Access::read_write(), Ceiling::all(), noreserve, false, true);
        touch_one_of(part);
    }

    /// Brings a block nearer to being one page, and touches it.
    void touch_block() {
        const Part part = some_block();
        const bool whole = !model().any_hole(part) && model().allows(part, Access::read_write());
        if (whole && chance(2)) {
            note("protect and perhaps discard a block", part);
            require(space()->protect(model().range(part), Access::read_write()).ok(), "protect");
            model().protect(part, Access::read_write());
            if (chance(2)) {
                require(space()->discard(model().range(part)).ok(), "discard");
                model().discard(part);
            }
        }
        touch_one_of(part);
    }

    void touch_one_of(Part part) {
        const std::size_t first = part.first + random_() % (part.last - part.first);
        for (std::size_t index = first; index < part.last; ++index)
            if (model().cell(index).single()) return touch(index);
    }

    static bool block_is_free() {
        const auto block = allocate_frames(FrameKind::anonymous, block_order);
        if (block) free_frames(*block, block_order);
        return block.ok();
    }

    void map_first_fit() {
        const Part hint = some_part();
        const std::uint64_t pages = chance(4) ? model().pages(hint) : 1 + random_() % 40;
        const std::uint64_t alignment = page_size << (chance(3) ? random_() % 20 : 0);
        note("map first fit, pages " + std::to_string(pages) + " alignment " +
                 std::to_string(alignment),
             hint);
        const VirtAddr from = model().range(hint).start;
        const auto expected = model().first_fit(pages, alignment, from.value);
        const auto result = space()->map(
            {.address = from, .pages = {pages}, .alignment = alignment, .noreserve = true});
        require(expected && result.ok() && result->value == *expected, "another first fit");
        const std::uint64_t end = *expected + pages * page_size;
        if (const auto part = model().part(*expected, end))
            model().map(*part, Access::read_write(), Ceiling::all(), true, false);
        else
            require(space()->unmap({*result, VirtAddr{end}}).ok(), "unmap of the new range");
    }

    void map_last_fit() {
        const Part hint = some_part();
        const std::uint64_t pages = chance(4) ? model().pages(hint) : 1 + random_() % 40;
        const std::uint64_t alignment = page_size << (chance(3) ? random_() % 20 : 0);
        note("map last fit, pages " + std::to_string(pages) + " alignment " +
                 std::to_string(alignment),
             hint);
        const VirtAddr to = model().range(hint).end;
        const auto expected = model().last_fit(pages, alignment, to.value);
        const auto result = space()->map({.address = to,
                                          .pages = {pages},
                                          .alignment = alignment,
                                          .placement = Placement::last_fit,
                                          .noreserve = true});
        require(expected && result.ok() && result->value == *expected, "another last fit");
        const std::uint64_t end = *expected + pages * page_size;
        if (const auto part = model().part(*expected, end))
            model().map(*part, Access::read_write(), Ceiling::all(), true, false);
        else
            require(space()->unmap({*result, VirtAddr{end}}).ok(), "unmap of the new range");
    }

    void grow() {
        const Part part = some_part();
        const bool up = chance(2);
        note(up ? "grow upwards" : "grow downwards", part);
        const VirtRange range = model().range(part);
        const auto result = space()->grow(up ? range.start : range.end, {model().pages(part)},
                                          up ? abi::Direction::up : abi::Direction::down);
        const std::size_t like = up ? part.first - 1 : part.last; // wraps at the lowest cell
        if (like >= model().cells().size() || !model().cell(like).mapped) {
            require(!result.ok() && result.error() == Error::not_mapped, "not not_mapped");
        } else if (model().any_mapped(part)) {
            require(!result.ok() && result.error() == Error::no_space, "not no_space");
        } else {
            require(result.ok() && *result == range.start, "grow failed");
            model().grow(part, like);
        }
    }

    void unmap() {
        const Part part = some_part();
        note("unmap", part);
        require(space()->unmap(model().range(part)).ok(), "unmap failed");
        model().unmap(part);
    }

    /// What protect, discard and populate have in common.
    bool refused(Part part, const Result<void>& result, bool allowed) {
        const bool hole = model().any_hole(part);
        if (!hole && allowed) {
            require(result.ok(), "refused");
            return false;
        }
        require((hole && result.error() == Error::not_mapped) ||
                    (!allowed && result.error() == Error::not_permitted),
                "another error");
        return true;
    }

    void protect() {
        const Part part = some_part();
        const Access access = some_access();
        note("protect " + words(access), part);
        const auto result = space()->protect(model().range(part), access);
        if (!refused(part, result, model().allows(part, access))) model().protect(part, access);
    }

    void watch() {
        const Part part = some_part();
        const Access access = chance(2) ? Access::read() : Access::read_write();
        note("watch " + words(access), part);
        const auto result = space()->watch(model().range(part), access);
        if (!model().any_hole(part) && model().untouched(part) && model().allows(part, access)) {
            require(result.ok(), "watch refused");
            model().watch(part, access);
            return;
        }
        require(!result.ok() &&
                    (result.error() == Error::not_mapped ? model().any_hole(part)
                     : result.error() == Error::unsupported
                         ? !model().untouched(part)
                         : result.error() == Error::not_permitted && !model().allows(part, access)),
                "another error");
    }

    void discard() {
        const Part part = some_part();
        note("discard", part);
        if (!refused(part, space()->discard(model().range(part)), true)) model().discard(part);
    }

    void populate() {
        Part part{some_page(), 0};
        part.last = part.first + 1;
        while (part.last < model().cells().size() && model().cell(part.last).single() && !chance(6))
            ++part.last;
        for (std::size_t index = part.first; index < part.last; ++index) {
            if (!model().cell(index).mapped || model().cell(index).callback()) return;
        }
        note("populate", part);
        require(space()->populate(model().range(part)).ok(), "populate failed");
        model().populate(part);
    }

    void touch_some() {
        for (std::size_t index = some_page(), count = 1 + random_() % 4;
             count != 0 && index < model().cells().size() && model().cell(index).single();
             ++index, --count)
            touch(index);
    }

    void touch(std::size_t index) {
        MapModel::Cell& cell = model().cell(index);
        const VirtAddr address{cell.start};
        const unsigned how = static_cast<unsigned>(random_() % 5);
        const bool write = how > 1;
        const bool execute = how == 0;
        note(write ? "write" : execute ? "execute" : "read", {index, index + 1});
        // Without no-execute pages a fetch is as good as a read.
        const bool fetch = execute && machine_.options().processor.no_execute;
        const auto block = model().block(index);
        const bool large = block && block_is_free();
        const Resolution expected = model().touch(index, write, fetch);
        const std::uint64_t seed = random_() | 1;
        Resolution result{};
        if (execute)
            result = machine_.execute(*space(), address);
        else if (!write)
            result = machine_.touch(*space(), address + random_() % 4096, shim::Operation::read)
                         .resolution;
        else
            for (const unsigned word : written_words)
                result = machine_.write_word(*space(), address + word * 8, word_of(seed, word));
        require(result == expected, "another resolution");
        if (expected == Resolution::watched) return be_told(index, {write, fetch});
        if (large && expected == Resolution::resolved) {
            for (std::size_t at = block->first; at < block->last; ++at)
                model().cell(at).content = Content::own;
            require(space()->locate(address).level == block_level, "not a large page");
        }
        if (write && expected == Resolution::resolved) cell.seed = seed;
    }

    /// Once: after that the page is as before it was watched.
    void be_told(std::size_t index, FaultAccess access) {
        AddressSpace::Located entry{};
        const VirtAddr address{model().cell(index).start};
        require(space()->tell(address, access, entry) == Resolution::watched, "not told");
        require(space()->tell(address, access, entry) == Resolution::resolved, "told twice");
        model().cell(index).watched = false;
        if (chance(2)) touch(index);
    }

    void search() {
        const Part hint = some_part();
        const std::uint64_t pages = chance(3) ? model().pages(hint) : 1 + random_() % 1100;
        const std::uint64_t alignment = page_size << (chance(2) ? random_() % 20 : 0);
        const VirtAddr from = model().range(hint).start;
        note("first_fit, pages " + std::to_string(pages) + " alignment " +
                 std::to_string(alignment),
             hint);
        const auto first = model().first_fit(pages, alignment, from.value);
        const auto found = space()->first_fit({pages}, alignment, from);
        require(first && found.ok() && found->value == *first, "another first fit");
        const auto last = model().last_fit(pages, alignment, from.value);
        const auto found_below = space()->last_fit({pages}, alignment, from);
        require(last && found_below.ok() && found_below->value == *last, "another last fit");
    }

    void nearest() {
        const Part part = some_part();
        const VirtAddr address = model().range(part).start + random_() % 2;
        note("nearest", part);
        std::optional<abi::Run> up;
        std::optional<abi::Run> down;
        for (const abi::Run& run : model().runs()) {
            if (run.end > address.value && !up) up = run;
            if (run.start < address.value) down = run;
        }
        same_run(space()->nearest(address, abi::Direction::up), up, "nearest upwards");
        same_run(space()->nearest(address, abi::Direction::down), down, "nearest downwards");
    }

    void same_run(const std::optional<abi::Run>& actual, std::optional<abi::Run> expected,
                  const char* what) {
        if (actual && expected) expected->levels = actual->levels;
        require(actual.has_value() == expected.has_value() &&
                    (!actual || shim::describe(*actual) == shim::describe(*expected)),
                what + (actual ? ": " + shim::describe(*actual) : std::string(": none")) +
                    (expected ? ", expected " + shim::describe(*expected) : ", expected none"));
    }

    void compare() {
        auto runs = shim::all_runs(*space(), 1 + random_() % 20);
        for (abi::Run& run : runs) {
            require(run.levels != 0 && run.levels < 32, "a run of no level");
            run.levels = 0;
        }
        const std::string expected = shim::describe(model().runs());
        const std::string actual = shim::describe(runs);
        require(actual == expected, "runs:\n" + actual + "expected:\n" + expected);
        require(space()->counts().anonymous == model().own_pages(), "anonymous count");
        // What was touched without a promise counts for all who have it in common, once.
        const std::uint64_t charge =
            model().charge() + space()->counts().table_charge + shim::promised_tables(*space()) -
            unpromised_in_shared(table_at(space()->root(), space()->levels(), VirtAddr{0}));
        require(space()->account().charged().value == charge,
                "charged " + std::to_string(space()->account().charged().value) + ", expected " +
                    std::to_string(charge));
        if (const char* problem = validate(*space())) require(false, problem);
        if (thorough || chance(3)) check_structure();
        for (unsigned n = 0; n < 3; ++n) check_content(random_() % model().cells().size());
    }

    static std::uint64_t unpromised_in_shared(const TableRef& table) {
        std::uint64_t pages = 0;
        const bool root = table.level == kernel_space().levels();
        for (unsigned index = 0; index < table_entries / (root ? 2 : 1); ++index) {
            const Entry entry = table.slots[index].load();
            if (!entry.is_table(table.level)) continue;
            const TableRef child = table.below(entry, index);
            pages += entry.is_narrowed() ? unpromised_pages(*child.descriptor)
                     : table.level > 2   ? unpromised_in_shared(child)
                                         : 0;
        }
        return pages;
    }

    /// Promises as they stand are never too small; settled, they are exact.
    void check_structure() {
        const std::string faults = shim::faults_of(machine_, *space());
        require(faults.empty(), faults);
        if (!forks_) check_folded();
        if (!chance(4)) return;
        settle_promises(*space());
        if (const char* problem = validate(*space(), true)) require(false, problem);
    }

    /// Where one entry could stand for the pages of a block of huge memory, it does.
    void check_folded() {
        const std::uint64_t size = page_size << block_order;
        const VirtAddr start = model().range(some_block()).start;
        const auto [first, level] = space()->locate(start);
        if (level > 1 || !first.is_huge()) return;
        const auto frame = space()->frame_of(start);
        const bool zeros = frame.ok() && *frame == zero_frame();
        if (zeros || (frame.ok() && frame->value % size != 0)) return;
        for (std::uint64_t offset = 0; offset < size; offset += page_size) {
            const Entry entry = space()->locate(start + offset).entry;
            const auto other = space()->frame_of(start + offset);
            if (entry.access() != first.access() || entry.intent() != first.intent() ||
                entry.kind(1) != first.kind(1) || other.ok() != frame.ok() ||
                (frame.ok() && *other != *frame + offset))
                return;
        }
        require(false, "a block in pages");
    }

    void check_content(std::size_t index) {
        const MapModel::Cell& cell = model().cell(index);
        if (cell.content == Content::none || !cell.access.readable()) return;
        const VirtAddr page{cell.start};
        for (const unsigned word : written_words)
            require(machine_.read_word(*space(), page + word * 8) == word_of(cell.seed, word),
                    "content");
        require(machine_.read_word(*space(), page + (1 + random_() % 199) * 8) == 0, "not zero");
    }

    std::mt19937_64 random_;
    const bool forks_;
    Machine machine_;
    std::vector<std::unique_ptr<World>> worlds_;
    std::size_t current_ = 0;
    std::string log_;
};

void try_seeds(std::uint64_t thousandth, const Trial::Options& options) {
    std::uint64_t tried = 0;
    shim::for_seeds(thousandth, [&](std::uint64_t seed) {
        Trial trial(seed, options);
        try {
            trial.run();
        } catch (const std::exception& error) {
            FAIL("seed ", seed, ": ", std::string(error.what()), "\noperations:\n", trial.log());
        }
        ++tried;
    });
    CHECK(tried != 0);
}

} // namespace

TEST_CASE("random operations do what a plain array of pages says") { try_seeds(1000, {}); }

TEST_CASE("random operations do the same where user mode has a root of its own") {
    try_seeds(100, {.mirrored_roots = true});
}

TEST_CASE("random operations do the same where the processor has no no-execute pages") {
    try_seeds(100, {.no_execute = false});
}

TEST_CASE("spaces that came from one by fork each do what an array of their own says") {
    try_seeds(250, {.forks = true});
}

TEST_CASE("forked spaces do the same where user mode has roots of its own") {
    try_seeds(50, {.mirrored_roots = true, .forks = true});
}
