// SPDX-License-Identifier: MIT
#include "replay/model.hpp"

#include <algorithm>
#include <cstdio>

namespace replay {

void Model::split(std::uint64_t at) {
    auto above = segments_.upper_bound(at);
    if (above == segments_.begin()) return;
    auto& [start, held] = *std::prev(above);
    if (start == at || held.end <= at) return;
    segments_.emplace_hint(above, at, held);
    held.end = at;
}

void Model::forget(VirtRange range) {
    touched_.erase(touched_.lower_bound(range.start.value), touched_.lower_bound(range.end.value));
}

void Model::unmap(VirtRange range) {
    split(range.start.value);
    split(range.end.value);
    segments_.erase(segments_.lower_bound(range.start.value),
                    segments_.lower_bound(range.end.value));
    forget(range);
}

void Model::map(VirtRange range, const Kind& kind) {
    unmap(range);
    segments_.emplace(range.start.value, Held{range.end.value, kind});
}

std::vector<Model::Segment> Model::parts(VirtRange range) const {
    std::vector<Segment> parts;
    auto at = segments_.upper_bound(range.start.value);
    if (at != segments_.begin()) --at;
    for (; at != segments_.end() && at->first < range.end.value; ++at) {
        const VirtRange part{std::max(VirtAddr{at->first}, range.start),
                             std::min(VirtAddr{at->second.end}, range.end)};
        if (!part.empty()) parts.push_back({part, at->second.kind});
    }
    return parts;
}

std::vector<VirtRange> Model::mapped(VirtRange range) const {
    std::vector<VirtRange> ranges;
    for (const Segment& part : parts(range)) {
        if (!ranges.empty() && ranges.back().end == part.range.start)
            ranges.back().end = part.range.end;
        else
            ranges.push_back(part.range);
    }
    return ranges;
}

bool Model::covers(VirtRange range) const {
    const auto ranges = mapped(range);
    return ranges.size() == 1 && ranges[0] == range;
}

void Model::protect(VirtRange range, vm::Access access) {
    split(range.start.value);
    split(range.end.value);
    const auto end = segments_.lower_bound(range.end.value);
    for (auto at = segments_.lower_bound(range.start.value); at != end; ++at)
        at->second.kind.access = access;
}

void Model::discard(VirtRange range) {
    const auto end = touched_.lower_bound(range.end.value);
    for (auto at = touched_.lower_bound(range.start.value); at != end; ++at) at->second = {};
}

void Model::move(VirtRange from, VirtRange to) {
    const std::uint64_t kept = std::min(from.bytes(), to.bytes());
    const std::vector<Segment> moved = parts({from.start, from.start + kept});
    std::map<std::uint64_t, Page> pages;
    const std::uint64_t distance = to.start.value - from.start.value;
    const auto end = touched_.lower_bound((from.start + kept).value);
    for (auto at = touched_.lower_bound(from.start.value); at != end; ++at)
        pages.emplace(at->first + distance, at->second);
    unmap(from);
    unmap(to);
    for (const auto& [range, kind] : moved) {
        Kind there = kind;
        there.base += distance;
        const bool last = range.end == from.start + kept;
        map({range.start + distance, last ? to.end : range.end + distance}, there);
    }
    touched_.merge(pages);
}

std::uint64_t Model::first_word(std::size_t object, std::uint64_t index) const {
    return objects_[object].paged ? (object + 1) << 40 | (index + 1) : 0;
}

std::size_t Model::add_object(bool paged) {
    objects_.push_back({paged, {}});
    return objects_.size() - 1;
}

bool Model::is_own(VirtAddr page) const {
    const auto found = touched_.find(page.value);
    return found != touched_.end() && found->second.own;
}

std::uint64_t Model::word(VirtAddr page) const {
    if (is_own(page)) return touched_.at(page.value).value;
    const Kind kind = parts({page, page + page_size}).at(0).kind;
    if (kind.object == no_object) return 0;
    const std::uint64_t index = (page.value - kind.base) >> page_bits;
    const auto& written = objects_[kind.object].written;
    const auto shared = written.find(index);
    return shared != written.end() ? shared->second : first_word(kind.object, index);
}

void Model::write(VirtAddr page, std::uint64_t value) {
    const Kind kind = parts({page, page + page_size}).at(0).kind;
    if (kind.is_private) {
        touched_[page.value] = {true, value};
    } else {
        objects_[kind.object].written[(page.value - kind.base) >> page_bits] = value;
        read(page);
    }
}

std::vector<VirtAddr> Model::touched(VirtRange range) const {
    std::vector<VirtAddr> pages;
    const auto end = touched_.lower_bound(range.end.value);
    for (auto at = touched_.lower_bound(range.start.value); at != end; ++at)
        pages.push_back(VirtAddr{at->first});
    return pages;
}

std::string describe(VirtRange range) {
    char text[40];
    std::snprintf(text, sizeof text, "%lx-%lx", range.start.value, range.end.value);
    return text;
}

} // namespace replay
