// SPDX-License-Identifier: MIT
// Recorded traces as work: the calls alone, without checks.
#include "compare/bench/work.hpp"
#include "replay/trace.hpp"

#include <map>

namespace compare {

namespace {

using replay::Operation;

class Player {
public:
    Player(const Subject& subject, bool touch) : map_(subject.make()), touch_(touch) {}

    void play(const Operation& operation) {
        using Kind = Operation::Kind;
        switch (operation.kind) {
        case Kind::map: map(operation); break;
        case Kind::unmap: map_->unmap(operation.range); break;
        case Kind::protect:
            static_cast<void>(map_->protect(operation.range, access(operation)));
            break;
        case Kind::remap: remap(operation.range, operation.to); break;
        case Kind::brk: brk(align_up(operation.range.start.value, page_size)); break;
        case Kind::advise:
            if (operation.drops) static_cast<void>(map_->discard(operation.range));
            break;
        case Kind::fork: map_->fork(); break;
        }
    }

private:
    static vm::Access access(const Operation& operation) {
        const auto access = vm::Access::make(operation.access);
        return access ? *access : vm::Access::read_write();
    }
    void map(const Operation& operation) {
        Kind kind{.access = access(operation), .is_private = !operation.shared};
        if (operation.shared || !operation.file.empty()) {
            const auto [file, is_new] = files_.try_emplace(
                operation.file, static_cast<std::uint32_t>(1 + files_.size() % object_count));
            kind.object = file->second;
            kind.base = operation.range.start.value - operation.offset;
        }
        map_->map(operation.range, kind);
        constexpr std::uint64_t most = 64 << 10;
        if (!touch_ || kind.object != 0 || !kind.access.writable() ||
            operation.range.bytes() > most)
            return;
        for (VirtAddr page = operation.range.start; page < operation.range.end;
             page = page + page_size)
            static_cast<void>(map_->fault(page));
    }
    /// In place: longer or shorter. Else all of it moves, and grows there.
    void remap(VirtRange from, VirtRange to) {
        const vm::Access access = map_->lookup(from.start).access;
        const VirtAddr kept = to.start + std::min(from.bytes(), to.bytes());
        if (from.start != to.start) {
            map_->unmap(to);
            map_->move({from.start, from.start + (kept - to.start)}, {to.start, kept});
            if (kept - to.start < from.bytes())
                map_->unmap({from.start + (kept - to.start), from.end});
        } else if (to.end < from.end) {
            map_->unmap({to.end, from.end});
        }
        if (kept < to.end) map_->map({kept, to.end}, {.access = access});
    }
    void brk(std::uint64_t end) {
        if (heap_end_ != 0 && heap_end_ < end)
            map_->map({VirtAddr{heap_end_}, VirtAddr{end}}, {.access = vm::Access::read_write()});
        if (end < heap_end_) map_->unmap({VirtAddr{end}, VirtAddr{heap_end_}});
        heap_end_ = end;
    }

    std::unique_ptr<Map> map_;
    const bool touch_;
    std::map<std::string, std::uint32_t> files_;
    std::uint64_t heap_end_ = 0;
};

} // namespace

void replay(const Subject& subject, const std::string& trace) {
    const auto operations = ::replay::parse_file("test/workloads/" + trace + ".map");
    for (const bool touch : {false, true}) {
        Player player(subject, touch);
        for (const Operation& operation : operations)
            subject.measure.run([&] { player.play(operation); });
        subject.row((touch ? "replay_touched_" : "replay_") + trace);
    }
}

} // namespace compare
