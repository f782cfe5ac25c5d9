// SPDX-License-Identifier: MIT
// The operations of a trace, on the map and on the model.
#include "replay/replay.hpp"

#include "vm/validate.hpp"

namespace replay {

namespace {

constexpr PageCount plenty{1ULL << 40};

/// Throws what the map refused that it must not refuse.
template <typename T>
T must(Result<T> result, const std::string& what) {
    if (!result)
        throw std::runtime_error("the map refused to " + what + ": error " +
                                 std::to_string(static_cast<int>(result.error())));
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void must_refuse(const Result<void>& result, Error error, const std::string& what) {
    if (result.ok() || result.error() != error)
        throw std::runtime_error("the map did not refuse to " + what);
}

shim::MachineOptions machine_of(std::uint64_t memory) {
    return {.zones = {{PhysAddr{0x100000}, PhysAddr{0x100000 + memory}}}, .commit_limit = plenty};
}

} // namespace

Replay::Replay(std::span<const Operation> operations, std::uint64_t memory)
    : operations_(operations), machine_(machine_of(memory)),
      space_(std::make_unique<shim::Space>(machine_)) {
    for (const Operation& operation : operations) {
        const std::uint64_t end = operation.offset + operation.range.bytes();
        if (!operation.file.empty()) file_pages_ = std::max(file_pages_, end >> page_bits);
        // What is remapped may become longer.
        if (operation.kind == Operation::Kind::remap) file_pages_ += operation.to.pages().value;
    }
    file_pages_ = std::min(file_pages_, vm::MemoryObject::limit.value);
}

Outcome Replay::run(bool each) {
    // A check of the whole map looks at all tables: the more there are the less often.
    std::size_t due = 0;
    try {
        for (const Operation& operation : operations_) {
            line_ = operation.line;
            step(operation);
            ++outcome_.operations;
            if (due-- != 0 && !each) continue;
            check_whole();
            due = (*space_)->counts().tables / 16;
        }
        check_whole();
    } catch (const std::runtime_error& error) {
        throw Failure(line_, error.what());
    }
    return outcome_;
}

void Replay::step(const Operation& operation) {
    using Kind = Operation::Kind;
    VirtRange changed = operation.range;
    switch (operation.kind) {
    case Kind::map: map(operation); break;
    case Kind::unmap:
        must((*space_)->unmap(changed), "unmap");
        model_.unmap(changed);
        break;
    case Kind::protect: protect(changed, operation.access); break;
    case Kind::remap:
        remap(changed, operation.to);
        check(**space_, operation.to);
        break;
    case Kind::brk:
        changed = {VirtAddr{align_up(changed.start.value, page_size)}, {}};
        changed.end = heap_end_.value_or(changed.start);
        if (changed.end < changed.start) std::swap(changed.start, changed.end);
        brk(VirtAddr{align_up(operation.range.start.value, page_size)});
        break;
    case Kind::advise:
        if (operation.drops) discard(changed);
        break;
    case Kind::fork: fork(); return;
    }
    check(**space_, changed);
}

/// Refuses write and execute together, as the map does, and goes on without execute.
vm::Access Replay::access_of(std::uint64_t bits) {
    const auto access = vm::Access::make(bits);
    if (access) return *access;
    if (access.error() != Error::not_permitted) throw std::runtime_error("no such access");
    ++outcome_.refused;
    return must(vm::Access::make(bits & ~std::uint64_t{abi::access_execute}), "allow access");
}

/// Shared memory is an object of its own each time; a file the same one under the same name.
std::size_t Replay::object_of(const Operation& operation) {
    const bool paged = !operation.file.empty();
    if (paged) {
        if (const auto found = files_.find(operation.file); found != files_.end())
            return found->second;
    }
    objects_.push_back(
        paged ? must(vm::MemoryObject::make_paged({file_pages_}, vm::Ceiling::all(), {}),
                     "make an object")
              : must(vm::MemoryObject::make_zeros(operation.range.pages(), {}), "make an object"));
    const std::size_t object = model_.add_object(paged);
    if (paged) files_.emplace(operation.file, object);
    return object;
}

void Replay::map(const Operation& operation) {
    Model::Kind kind{.access = access_of(operation.access),
                     .is_private = !operation.shared,
                     .noreserve = operation.noreserve};
    if (operation.shared || !operation.file.empty()) {
        kind.object = object_of(operation);
        kind.base = operation.range.start.value - operation.offset;
    }
    map_anew(operation.range, kind);
    touch_ends(operation.range);
}

/// Over whatever is there.
void Replay::map_anew(VirtRange range, Model::Kind kind) {
    using vm::Placement;
    if (kind.object == Model::no_object)
        must((*space_)->map({.address = range.start,
                             .pages = range.pages(),
                             .placement = Placement::replace,
                             .access = kind.access,
                             .noreserve = kind.noreserve}),
             "map");
    else
        must((*space_)->map_object({.object = objects_[kind.object].get(),
                                    .first_page = (range.start.value - kind.base) >> page_bits,
                                    .address = range.start,
                                    .pages = range.pages(),
                                    .placement = Placement::replace,
                                    .access = kind.access,
                                    .is_private = kind.is_private,
                                    .noreserve = kind.noreserve}),
             "map an object");
    model_.map(range, kind);
}

/// What the program's own segments would be is not in the trace: where it has holes all of it must
/// be refused, and then its mapped parts are done one by one.
void Replay::protect(VirtRange range, std::uint64_t bits) {
    const vm::Access access = access_of(bits);
    if (!model_.covers(range)) {
        must_refuse((*space_)->protect(range, access), Error::not_mapped, "protect a hole");
        check(**space_, range);
    }
    for (const VirtRange part : model_.mapped(range)) {
        must((*space_)->protect(part, access), "protect");
        model_.protect(part, access);
        touch_ends(part);
    }
}

void Replay::discard(VirtRange range) {
    if (!model_.covers(range)) {
        must_refuse((*space_)->discard(range), Error::not_mapped, "discard a hole");
        check(**space_, range);
    }
    for (const VirtRange part : model_.mapped(range)) {
        must((*space_)->discard(part), "discard");
        model_.discard(part);
    }
}

void Replay::remap(VirtRange from, VirtRange to) {
    if (!model_.covers(from)) {
        ++outcome_.refused; // there is nothing, or not all of it, to move
        return;
    }
    must((*space_)->remap({.from = from, .address = to.start, .placement = vm::Placement::replace},
                          to.pages()),
         "remap");
    model_.move(from, to);
    touch_ends(to);
}

void Replay::brk(VirtAddr end) {
    const VirtAddr before = heap_end_.value_or(end);
    heap_end_ = end;
    if (before < end) {
        map_anew({before, end}, {.access = vm::Access::read_write()});
        touch_ends({before, end});
    } else if (end < before) {
        must((*space_)->unmap({end, before}), "unmap");
        model_.unmap({end, before});
    }
}

Outcome replay_all(std::span<const Operation> operations,
                   const std::function<void(const vm::AddressSpace&)>& after) {
    try {
        Replay replay(operations);
        const Outcome outcome = replay.run(false);
        if (after) after(replay.space());
        return outcome;
    } catch (const Failure& failure) {
        if (failure.line == 0) throw;
    }
    // Its line is that of the last operation before a check: now with one after each.
    Replay(operations).run(true);
    throw Failure(0, "a check failed that does not fail when all are made at every step");
}

} // namespace replay
