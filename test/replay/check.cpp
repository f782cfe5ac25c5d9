// SPDX-License-Identifier: MIT
// How the replay touches pages, and what it checks.
#include "shim/check.hpp"
#include "replay/replay.hpp"
#include "vm/fresh_frames.hpp"
#include "vm/missing_page.hpp"

#include <algorithm>
#include <cstring>

namespace replay {

namespace {

constexpr VirtRange everything = vm::user_range;

/// The states that a page may be named with.
bool may_be(abi::State state, const Model::Kind& kind) {
    switch (state) {
    case abi::State::present: return true;
    case abi::State::parked: return !kind.access.readable();
    case abi::State::lazy: return kind.object == Model::no_object;
    case abi::State::shared:
    case abi::State::file: return kind.object != Model::no_object;
    default: return false;
    }
}

} // namespace

/// The first and the last page, by the most that each allows.
void Replay::touch_ends(VirtRange range) {
    touch(range.start);
    touch(range.end - page_size);
}

void Replay::touch(VirtAddr page) {
    const vm::Access access = model_.parts({page, page + page_size}).at(0).kind.access;
    if (access.writable()) {
        const std::uint64_t value = std::uint64_t{line_} << 48 | page.value;
        write(**space_, page, value);
        model_.write(page, value);
    } else if (access.readable()) {
        read(**space_, page);
        model_.read(page);
    }
}

/// Answers for the pager while the access asks for a page.
void Replay::make_present(vm::AddressSpace& space, VirtAddr page, shim::Operation operation) {
    for (;;) {
        const auto resolution = machine_.touch(space, page, operation).resolution;
        if (resolution == vm::Resolution::resolved) return;
        if (resolution != vm::Resolution::needs_page)
            throw std::runtime_error("an access at " + describe({page, page + page_size}) +
                                     " that must go well ends as " +
                                     std::to_string(static_cast<int>(resolution)));
        const auto missing = space.missing_page(page);
        if (!missing) throw std::runtime_error("a page is missing from no object");
        const auto object = std::ranges::find(objects_, missing->object.get(), &vm::ObjectRef::get);
        if (object == objects_.end()) throw std::runtime_error("a page of an unknown object");
        const auto number = static_cast<std::size_t>(object - objects_.begin());
        vm::FreshFrames frames(0);
        if (!frames.allocate_zeros(vm::FrameKind::cache))
            throw std::runtime_error("no memory for a page");
        const std::uint64_t word = model_.first_word(number, missing->index);
        std::memcpy(vm::direct(frames.first()), &word, sizeof word);
        if (!missing->object->supply(missing->index, frames).ok())
            throw std::runtime_error("an object refused a page");
    }
}

std::uint64_t Replay::read(vm::AddressSpace& space, VirtAddr page) {
    make_present(space, page, shim::Operation::read);
    return machine_.read_word(space, page);
}

void Replay::write(vm::AddressSpace& space, VirtAddr page, std::uint64_t value) {
    make_present(space, page, shim::Operation::write);
    if (machine_.write_word(space, page, value) != vm::Resolution::resolved)
        throw std::runtime_error("a page that was written can't be written");
}

/// A child that is the same, and whose writes this space does not see; then it is dropped.
void Replay::fork() {
    shim::Space child(machine_, **space_);
    if (shim::picture(*child) != shim::picture(**space_))
        throw std::runtime_error("a fork names other runs");
    check(*child, everything);
    check(**space_, everything);
    for (const VirtAddr page : model_.touched(everything)) {
        const Model::Kind kind = model_.parts({page, page + page_size}).at(0).kind;
        if (!kind.is_private || !kind.access.writable()) continue;
        const std::uint64_t before = model_.word(page);
        write(*child, page, ~before);
        if (read(**space_, page) != before)
            throw std::runtime_error("a child wrote into its parent's page");
    }
    machine_.leave(*child);
}

void Replay::check(vm::AddressSpace& space, VirtRange range) {
    // With a page on each side: what lies beside a change must stay as it was.
    const VirtRange wide{std::max(everything.start, range.start - page_size),
                         std::min(everything.end, range.end + page_size)};
    check_runs(space, wide);
    for (const VirtAddr page : model_.touched(wide)) {
        if (!model_.parts({page, page + page_size}).at(0).kind.access.readable()) continue;
        if (read(space, page) != model_.word(page))
            throw std::runtime_error("the page at " + describe({page, page + page_size}) +
                                     " holds something else");
    }
}

/// The map's runs and the model's ranges, side by side from the range's start to its end.
void Replay::check_runs(const vm::AddressSpace& space, VirtRange range) {
    const auto segments = model_.parts(range);
    auto segment = segments.begin();
    abi::Run run{};
    bool more = true;
    for (VirtAddr at = range.start; at < range.end;) {
        while (more && run.end <= at.value) more = space.query(at, {&run, 1}) != 0;
        while (segment != segments.end() && segment->range.end <= at) ++segment;
        const bool mapped = more && run.start < range.end.value;
        const VirtAddr next_run = mapped ? std::max(at, VirtAddr{run.start}) : range.end;
        const VirtAddr next =
            segment != segments.end() ? std::max(at, segment->range.start) : range.end;
        if (next_run != next)
            throw std::runtime_error(
                "the map has " + std::string(next_run < next ? "memory" : "a hole") + " at " +
                describe({std::min(next, next_run), std::max(next, next_run)}));
        if (next == range.end) return;
        check_run(run, *segment);
        at = std::min(VirtAddr{run.end}, segment->range.end);
    }
}

void Replay::check_run(const abi::Run& run, const Model::Segment& segment) {
    const auto fail = [&](const char* what) {
        throw std::runtime_error(shim::describe(run) + " has another " + what + " than " +
                                 describe(segment.range));
    };
    const Model::Kind& kind = segment.kind;
    if (run.access != kind.access.bits()) fail("access");
    if (!may_be(run.state, kind)) fail("state");
    const bool of_object = kind.object != Model::no_object;
    if (!of_object) {
        if (run.id != 0) fail("object");
        return;
    }
    if (run.id != static_cast<std::uint32_t>(objects_[kind.object]->number())) fail("object");
    if (run.offset != run.start - kind.base) fail("offset");
}

void Replay::check_whole() {
    const std::string faults = shim::faults_of(machine_, **space_);
    if (!faults.empty()) throw std::runtime_error(faults.substr(0, faults.find('\n')));
    check(**space_, everything);
}

} // namespace replay
