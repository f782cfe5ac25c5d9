// SPDX-License-Identifier: MIT
// What each operation does, and what a space looks like afterwards.
#include "explorer/operations.hpp"

#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <algorithm>
#include <cstdio>

namespace explorer {

namespace {

using vm::Access;
using vm::Placement;
using vm::Resolution;

void must(bool done) {
    if (!done) throw shim::ModelError("the map of a scenario can't be built");
}

std::string text_of(Resolution resolution) {
    constexpr const char* words[] = {"resolved",   "hole",       "forbidden",  "no_memory",
                                     "over_quota", "beyond_end", "needs_page", "watched"};
    return words[static_cast<unsigned>(resolution)];
}

template <typename T>
std::string text_of(const Result<T>& result) {
    return result ? "ok" : "error " + std::to_string(static_cast<unsigned>(result.error()));
}

} // namespace

void build(shim::Machine& machine, vm::AddressSpace& space, unsigned cpus, Start start,
           vm::MemoryObject* object) {
    const bool sparse = start == Start::sparse;
    const auto map = [&](VirtRange range) {
        must(
            space
                .map(
                    {.address = range.start, .pages = range.pages(), .placement = Placement::fixed})
                .ok());
    };
    // Each CPU gets frames and credit, and a descriptor stays.
    const VirtAddr elsewhere = beyond + (1ULL << 30);
    map({elsewhere + (2ULL << 20), elsewhere + (2ULL << 20) + page_size});
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        shim::set_cpu(cpu);
        map({elsewhere, elsewhere + page_size});
        must(machine.write_word(space, elsewhere, 1) == Resolution::resolved);
        must(space.unmap({elsewhere, elsewhere + page_size}).ok());
    }
    if (sparse) {
        constexpr unsigned kept_idle = 8;
        for (unsigned at = 0; at < kept_idle * cpus; ++at) {
            shim::set_cpu(at % cpus);
            const VirtAddr page = elsewhere + ((4ULL + at) << 21);
            map({page, page + page_size});
            must(space.unmap({page, page + page_size}).ok());
        }
    }
    shim::set_cpu(0);
    map(large_whole);
    if (sparse) {
        map(pages_at(0, 1));
        must(machine.write_word(space, page_at(0), 100) == Resolution::resolved);
    } else if (object != nullptr) {
        map(pages_at(-3, 3));
        for (const int page : {-2, 0})
            must(space
                     .map_object({.object = object,
                                  .address = page_at(page),
                                  .pages = {mapped_pages},
                                  .placement = Placement::replace,
                                  .is_private = page < 0})
                     .ok());
        for (int page = -2; page < 2; ++page)
            static_cast<void>(machine.read_word(space, page_at(page)));
        for (const bool is_private : {false, true})
            must(space
                     .map_object({.object = object,
                                  .address = is_private ? own_whole.start : file_whole.start,
                                  .pages = own_whole.pages(),
                                  .placement = Placement::fixed,
                                  .access = is_private ? Access::read_write() : Access::read(),
                                  .is_private = is_private})
                     .ok());
    } else {
        map(pages_at(-3, 3));
        for (int page = -2; page < 2; ++page)
            must(machine.write_word(space, page_at(page), static_cast<std::uint64_t>(100 + page)) ==
                 Resolution::resolved);
    }
    if (start == Start::forked) {
        // So many that the table is shared, and not copied at once.
        map(more_pages);
        for (VirtAddr page = more_pages.start; page < more_pages.end; page = page + page_size)
            must(machine.write_word(space, page, 1) == Resolution::resolved);
    }
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        space.translations().running.add(cpu);
        machine.mmu().load_root(cpu, space.user_root().value);
    }
    for (unsigned cpu = 0; start == Start::grafted && cpu < cpus; ++cpu) {
        shim::set_cpu(cpu);
        static_cast<void>(machine.read_word(space, file_whole.start));
    }
    shim::set_cpu(0);
}

namespace {

std::string map_somewhere(Place& place, const Operation& operation) {
    vm::MapRequest request{.address = operation.range.start, .pages = {1}};
    const unsigned cpu = vm::port::cpu();
    if (place.fits[cpu] != VirtAddr{0}) {
        request.address = place.fits[cpu];
        request.placement = Placement::fixed;
    }
    const auto mapped = place.space.map(request);
    place.fitted[cpu] = mapped ? *mapped : VirtAddr{0};
    return mapped ? "fits" : text_of(mapped);
}

std::string instruction(Place& place, const Operation& operation) {
    const bool writes = operation.kind == Kind::write;
    const auto done = place.explorer.user({operation.range.start,
                                           writes ? shim::Operation::write : shim::Operation::read,
                                           7000 + vm::port::cpu()});
    std::string text = text_of(done.resolution);
    if (done.resolution == Resolution::resolved) text += " " + std::to_string(done.value);
    return text;
}

std::string query(Place& place, const Operation& operation) {
    std::array<abi::Run, 2 * (end_page - first_page)> runs{};
    const std::size_t count = place.space.query(operation.range.start, runs);
    std::string told;
    for (VirtAddr page = operation.range.start; page < operation.range.end;
         page = page + page_size) {
        char state = '.';
        for (const abi::Run& run : std::span(runs).first(count))
            if (run.start <= page.value && page.value < run.end)
                state = static_cast<char>('0' + run.access);
        told += state;
    }
    place.told = told;
    return "told";
}

std::string enter(Place& place, const Operation& operation) {
    const unsigned cpu = vm::port::cpu();
    shim::Mmu& mmu = place.machine.mmu();
    vm::Translations& translations = place.space.translations();
    mmu.load_root(cpu, place.machine.kernel_root().value);
    translations.running.remove(cpu);
    place.explorer.boundary();
    translations.running.add(cpu);
    mmu.load_root(cpu, place.space.user_root().value);
    place.explorer.boundary();
    return instruction(place, operation);
}

std::string visit(Place& place, const Operation& operation) {
    const unsigned cpu = vm::port::cpu();
    place.machine.mmu().load_root(cpu, place.machine.kernel_root().value);
    place.space.translations().running.remove(cpu);
    place.explorer.boundary();
    const vm::Visit visiting(place.space.translations());
    const auto run = place.space.nearest(operation.range.start, abi::Direction::up);
    return run ? std::to_string(run->start <= operation.range.start.value ? run->access : 9) : "-";
}

/// Moves, or lends, between places and spaces.
std::string transfer(Place& place, vm::AddressSpace& space, const Operation& operation) {
    const vm::TransferRequest request{
        .from = operation.range, .address = operation.to, .placement = Placement::fixed};
    switch (operation.kind) {
    case Kind::give: return text_of(space.move_to(place.other, request));
    case Kind::hand: return text_of(space.move_to(place.child, request));
    case Kind::take: return text_of(place.other.move_to(space, request));
    default: return text_of(space.move_to(space, request));
    }
}

std::string fork(Place& place, vm::AddressSpace& space) {
    const auto forked = space.fork_into(place.copies[vm::port::cpu()]);
    place.copied[vm::port::cpu()] = forked.ok();
    return text_of(forked);
}

std::string evict(Place& place, std::uint64_t index) {
    vm::MemoryObject& object = *place.object;
    const auto refusal = place.refusals[vm::port::cpu()];
    if (refusal == Place::Refusal::at_once) return text_of(Result<void>(Error::would_block));
    vm::MemoryObject::Held held{};
    if (refusal == Place::Refusal::in_hand) held = object.hold(index);
    const auto evicted = object.evict(index);
    if (held.frame.value != 0) vm::release_frame(held.frame);
    return text_of(evicted);
}

std::string shrink(Place& place, std::uint64_t pages) {
    if (place.refusals[vm::port::cpu()] == Place::Refusal::at_once)
        return text_of(Result<void>(Error::would_block));
    return text_of(place.object->resize({pages}));
}

std::string collect(Place& place) {
    std::array<std::uint64_t, object_pages> written{};
    const std::size_t count = place.object->collect_written(0, object_pages, written);
    std::string text = "written";
    for (std::size_t at = 0; at < count; ++at) text += " " + std::to_string(written[at]);
    return text;
}

std::string end_child(Place& place) {
    place.child.destroy();
    place.child_lives = false;
    return "ended";
}

std::string renew(Place& place) {
    place.other.destroy();
    const auto made = place.other.create();
    return text_of(made);
}

} // namespace

std::string perform(Place& place, const Operation& operation) {
    vm::AddressSpace& space = operation.in_child ? place.child : place.space;
    const VirtRange range = operation.range;
    const auto map = [&](Placement placement) {
        return text_of(space.map({.address = range.start,
                                  .pages = range.pages(),
                                  .placement = placement,
                                  .access = operation.access}));
    };
    switch (operation.kind) {
    case Kind::map: return map(Placement::fixed);
    case Kind::map_over: return map(Placement::replace);
    case Kind::first_fit: return map_somewhere(place, operation);
    case Kind::unmap: return text_of(space.unmap(range));
    case Kind::protect: return text_of(space.protect(range, operation.access));
    case Kind::discard: return text_of(space.discard(range));
    case Kind::populate: return text_of(space.populate(range));
    case Kind::grow: return text_of(space.grow(range.start, range.pages(), abi::Direction::up));
    case Kind::write:
    case Kind::read: return instruction(place, operation);
    case Kind::query: return query(place, operation);
    case Kind::enter: return enter(place, operation);
    case Kind::visit: return visit(place, operation);
    case Kind::renew: return renew(place);
    case Kind::fork: return fork(place, space);
    case Kind::move:
    case Kind::give:
    case Kind::hand:
    case Kind::take: return transfer(place, space, operation);
    case Kind::end: return end_child(place);
    case Kind::evict: return evict(place, operation.pages);
    case Kind::shrink: return shrink(place, operation.pages);
    case Kind::collect: return collect(place);
    case Kind::supply:
        return text_of(shim::supply(*place.object, operation.pages, 500 + operation.pages));
    case Kind::search:
        return text_of(space.find_free({operation.pages}, page_size, range, abi::Direction::up));
    }
    return {};
}

std::string outcome_of(const vm::AddressSpace& space) {
    std::vector<abi::Run> runs = shim::all_runs(space);
    for (abi::Run& run : runs) run.levels = 0;
    std::string text = shim::describe(runs);
    const auto content = [&](VirtAddr page) {
        const auto frame = space.frame_of(page);
        if (!frame) return std::string(" -");
        return " " + std::to_string(*static_cast<const std::uint64_t*>(vm::direct(*frame)));
    };
    text += "contents";
    for (int page = first_page; page < end_page; ++page) text += content(page_at(page));
    for (const VirtRange one :
         {large_page, page_of(file_whole, 0), page_of(file_whole, 1), page_of(file_whole, 2),
          page_of(own_whole, 1), page_of(own_whole, 2)})
        text += content(one.start);
    // A table that stands is charged, one that is promised too.
    const std::uint64_t charge = space.account().charged().value - space.counts().table_charge -
                                 shim::promised_tables(space);
    return text + "\ncharge " + std::to_string(charge) + "\n";
}

} // namespace explorer
