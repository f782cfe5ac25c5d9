// SPDX-License-Identifier: MIT
#include "compare/bench/work.hpp"

#include <random>
#include <stdexcept>
#include <vector>

namespace compare {

namespace {

using vm::Access;

constexpr std::uint64_t base = 0x10'0000'0000;
constexpr std::uint64_t mapping_pages = 4;
constexpr std::uint64_t stride = (mapping_pages + 1) * page_size;

void require(bool holds) {
    if (!holds) throw std::runtime_error("a measured operation did not do what it must");
}

VirtRange pages_at(std::uint64_t start, std::uint64_t pages) {
    return {VirtAddr{start}, VirtAddr{start + pages * page_size}};
}

/// Every other one a part of a file.
Kind kind_of(std::size_t number) {
    if (number % 2 == 0) return {.access = Access::read_write()};
    return {.access = Access::read(),
            .object = static_cast<std::uint32_t>(1 + number % object_count),
            .base = base + number * stride - 16 * page_size};
}

/// Random mappings, the same for all structures.
class Chosen {
public:
    explicit Chosen(std::size_t count) : count_(count) {}
    std::size_t number() { return random_() % count_; }
    std::uint64_t start() { return base + number() * stride; }
    std::uint64_t page() { return start() + random_() % mapping_pages * page_size; }

private:
    std::size_t count_;
    std::mt19937_64 random_{1};
};

std::unique_ptr<Map> map_many(const Subject& subject, std::size_t count) {
    auto map = subject.make();
    for (std::size_t number = 0; number < count; ++number)
        map->map(pages_at(base + number * stride, mapping_pages), kind_of(number));
    return map;
}

constexpr unsigned samples = 400;

void look(const Subject& subject, const Map& map, std::size_t count, const std::string& suffix) {
    Chosen chosen(count);
    for (unsigned n = 0; n < samples; ++n) {
        const VirtAddr page{chosen.page()};
        subject.measure.run([&] { require(map.lookup(page).mapped); });
    }
    subject.row("lookup" + suffix);
    for (unsigned n = 0; n < samples; ++n) {
        const std::size_t number = chosen.number() | 1;
        const VirtAddr page{base + number * stride + page_size};
        subject.measure.run([&] { require(map.lookup(page).offset == 17 * page_size); });
    }
    subject.row("file_offset" + suffix);
    for (unsigned n = 0; n < samples; ++n) {
        const VirtAddr page{chosen.page()};
        const VirtAddr hole{chosen.start() + mapping_pages * page_size};
        subject.measure.run([&] {
            require(map.nearest(page, abi::Direction::up) == page &&
                    map.nearest(hole, abi::Direction::down) == hole);
        });
    }
    subject.row("nearest" + suffix);
}

} // namespace

void many_mappings(const Subject& subject, std::size_t count) {
    const std::string suffix = "_n" + std::to_string(count);
    const std::uint64_t before = subject.overhead();
    auto map = map_many(subject, count);
    subject.measure.figure("bytes_per_mapping" + suffix, subject.name,
                           static_cast<double>(subject.overhead() - before) /
                               static_cast<double>(count));
    look(subject, *map, count, suffix);

    Chosen chosen(count);
    for (unsigned n = 0; n < samples; ++n) {
        const VirtAddr from{chosen.start()};
        subject.measure.run([&] {
            const auto at = map->map_anywhere({1}, {.access = Access::read_write()}, from);
            require(at.has_value());
            map->unmap(pages_at(at->value, 1));
        });
    }
    subject.row("map_unmap" + suffix);
    for (unsigned n = 0; n < samples; ++n) {
        const VirtRange middle = pages_at(chosen.start() + page_size, 1);
        subject.measure.run([&] {
            require(map->protect(middle, Access::none()));
            require(map->protect(middle, Access::read()));
        });
    }
    subject.row("protect_middle" + suffix);
    std::vector<Area> areas(3 * count + 16);
    for (unsigned n = 0; n < 3; ++n)
        subject.measure.run([&] { require(map->list(space_range.start, areas) >= count); });
    subject.row("list" + suffix);
    for (unsigned n = 0; n < 3; ++n) {
        std::unique_ptr<Map> child;
        subject.measure.run([&] { child = map->fork(); });
    }
    subject.row("fork" + suffix);
}

void fragmented(const Subject& subject, std::size_t holes) {
    auto map = subject.make();
    // Mappings of one page and holes of one page in turn.
    for (std::size_t number = 0; number < holes; ++number)
        map->map(pages_at(base + number * 2 * page_size, 1), {.access = Access::read_write()});
    const VirtAddr end{base + (holes * 2 - 1) * page_size};
    const auto two_pages = [&] {
        const auto at = map->map_anywhere({2}, {.access = Access::read_write()}, VirtAddr{base});
        require(at == end);
        map->unmap({*at, *at + 2 * page_size});
    };
    two_pages();
    for (unsigned n = 0; n < 20; ++n) subject.measure.run(two_pages);
    subject.row("two_pages_holes" + std::to_string(holes));
}

void sparse(const Subject& subject) {
    constexpr std::uint64_t pages = (1ULL << 40) / page_size;
    const VirtRange all = pages_at(base, pages);
    const VirtRange middle = pages_at(base + pages / 2 * page_size, 1);
    auto map = subject.make();
    subject.measure.run([&] { map->map(all, {.access = Access::none()}); });
    subject.row("sparse_1T_map");
    subject.measure.run([&] { require(map->protect(middle, Access::read_write())); });
    subject.row("sparse_1T_use_page");
    subject.measure.run([&] { require(map->lookup(all.start).mapped); });
    subject.row("sparse_1T_lookup");
    subject.measure.run([&] { require(map->first_fit({1}, all.start) == all.end); });
    subject.row("sparse_1T_first_fit");
    subject.measure.run([&] { map->unmap(all); });
    subject.row("sparse_1T_unmap");
}

void touched(const Subject& subject, std::uint64_t mib) {
    const std::string suffix = "_" + std::to_string(mib) + "M";
    const std::uint64_t pages = mib * 256;
    auto map = subject.make();
    map->map(pages_at(base - 8 * page_size, 4), {.access = Access::read()});
    if (pages != 0) map->map(pages_at(base, pages), {.access = Access::read_write()});
    for (std::uint64_t page = 0; page < pages; ++page) {
        const VirtAddr at{base + page * page_size};
        const auto fault = [&] { require(map->fault(at)); };
        if (page < samples && mib == 64)
            subject.measure.run(fault);
        else
            fault();
    }
    if (mib == 64) subject.row("first_touch");
    {
        std::unique_ptr<Map> child;
        subject.measure.run([&] { child = map->fork(); });
        subject.row("fork_touched" + suffix);
        if (mib != 64) return;
        for (unsigned n = 0; n < samples; ++n) {
            const VirtAddr at{base + n * page_size};
            subject.measure.run([&] { require(map->fault(at)); });
        }
        subject.row("write_after_fork");
    }
    const VirtRange all = pages_at(base, pages);
    for (std::uint64_t page = 0; page < pages; ++page)
        require(map->fault(VirtAddr{base + page * page_size}));
    subject.measure.run([&] { require(map->protect(all, Access::read())); });
    subject.row("protect_touched_64M");
    subject.measure.run([&] { map->unmap(all); });
    subject.row("unmap_touched_64M");
}

} // namespace compare
