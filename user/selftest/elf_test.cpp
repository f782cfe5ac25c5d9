// SPDX-License-Identifier: MIT
// Program files that must be refused. Each is a good one with one thing changed.
#include "user/lib/files.hpp"
#include "user/lib/heap.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"

#include <memory>

namespace selftest {
namespace {

constexpr std::uint64_t program_headers_offset = 64; // where the linker puts them

/// A changeable copy of bin/true.
class ProgramFile {
public:
    ProgramFile() {
        const auto file = user::open_file("bin/true");
        if (!expect_ok(file, "open bin/true")) return;
        size_ = file->content.size();
        bytes_ = static_cast<std::byte*>(user::allocate(size_));
        __builtin_memcpy(bytes_, file->content.data(), size_);
    }
    ProgramFile(const ProgramFile&) = delete;
    ProgramFile& operator=(const ProgramFile&) = delete;
    ~ProgramFile() { user::release(bytes_); }

    template <typename T>
    void put(std::uint64_t offset, T value) {
        __builtin_memcpy(bytes_ + offset, &value, sizeof value);
    }
    template <typename T>
    T get(std::uint64_t offset) const {
        T value;
        __builtin_memcpy(&value, bytes_ + offset, sizeof value);
        return value;
    }
    void cut(std::size_t size) { size_ = size; }
    /// The offset of the n-th loadable segment's header.
    std::uint64_t load_header(unsigned n) const {
        const auto count = get<std::uint16_t>(56);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t offset = program_headers_offset + i * 56;
            if (get<std::uint32_t>(offset) == 1 && n-- == 0) return offset;
        }
        return program_headers_offset;
    }
    Result<user::OwnedHandle> start() const {
        const std::string_view words[] = {"true"};
        return user::spawn_image("true", std::span(bytes_, size_), words);
    }
    Result<std::int32_t> run() const {
        const auto process = TRY(start());
        return user::process_wait(process.get());
    }

private:
    std::byte* bytes_ = nullptr;
    std::size_t size_ = 0;
};

template <typename Spoil>
void refuse(std::string_view what, Spoil spoil, Error error = Error::bad_format, Place place = {}) {
    ProgramFile file;
    spoil(file);
    expect_error(file.run(), error, what, place);
}

void good_file_runs() {
    const ProgramFile file;
    EXPECT_EQUAL(REQUIRE(file.run()), 0);
}

void bad_headers() {
    refuse("empty file", [](ProgramFile& f) { f.cut(0); });
    refuse("short header", [](ProgramFile& f) { f.cut(63); });
    refuse("magic", [](ProgramFile& f) { f.put<char>(0, 'x'); });
    refuse("32 bits", [](ProgramFile& f) { f.put<std::uint8_t>(4, 1); });
    refuse("byte order", [](ProgramFile& f) { f.put<std::uint8_t>(5, 2); });
    refuse("version", [](ProgramFile& f) { f.put<std::uint8_t>(6, 9); });
    refuse("type", [](ProgramFile& f) { f.put<std::uint16_t>(16, 1); });
    refuse("machine", [](ProgramFile& f) { f.put<std::uint16_t>(18, 3); }, Error::unsupported);
    refuse("header size", [](ProgramFile& f) { f.put<std::uint16_t>(54, 55); });
    refuse("no program headers", [](ProgramFile& f) { f.put<std::uint16_t>(56, 0); });
    refuse("too many program headers", [](ProgramFile& f) { f.put<std::uint16_t>(56, 0xffff); });
    refuse("program headers outside", [](ProgramFile& f) { f.put<std::uint64_t>(32, ~0ULL); });
    refuse("program headers cut off", [](ProgramFile& f) { f.cut(100); });
}

void bad_segments() {
    refuse("segment cut off", [](ProgramFile& f) { f.cut(4097); });
    refuse("more in the file than in memory",
           [](ProgramFile& f) { f.put<std::uint64_t>(f.load_header(0) + 32, ~0ULL); });
    refuse("wrapping size",
           [](ProgramFile& f) { f.put<std::uint64_t>(f.load_header(1) + 40, ~0ULL); });
    refuse("kernel address", [](ProgramFile& f) {
        f.put<std::uint64_t>(f.load_header(1) + 16, 0xffff'8000'0000'1000);
    });
    refuse("misaligned", [](ProgramFile& f) {
        const auto header = f.load_header(1);
        f.put(header + 16, f.get<std::uint64_t>(header + 16) + 8);
    });
    refuse("alignment", [](ProgramFile& f) { f.put<std::uint64_t>(f.load_header(1) + 48, 3); });
    refuse(
        "writable and executable",
        [](ProgramFile& f) { f.put<std::uint32_t>(f.load_header(1) + 4, 7); }, Error::unsupported);
    refuse(
        "interpreter", [](ProgramFile& f) { f.put<std::uint32_t>(f.load_header(0), 3); },
        Error::unsupported);
    refuse("entry", [](ProgramFile& f) { f.put<std::uint64_t>(24, 0x7fff'0000); });
    refuse("nothing to load", [](ProgramFile& f) {
        for (unsigned i = 0; i < 8; ++i) f.put<std::uint32_t>(f.load_header(0), 0);
    });
}

/// Any byte of the header and of the first segments' changed: refused, or run to some end. What
/// runs may do so for ever, so it is ended.
void any_byte_changed() {
    for (std::uint64_t offset = 0; offset < program_headers_offset + 2 * 56; ++offset) {
        ProgramFile file;
        file.put(offset, static_cast<std::uint8_t>(file.get<std::uint8_t>(offset) ^ 0x41));
        const auto process = file.start();
        if (!process) continue;
        (void)user::sleep(500'000);
        EXPECT_OK(user::process_kill(process->get(), 1));
        EXPECT_OK(user::process_wait(process->get()));
    }
}

constexpr Test tests[] = {
    {"good_file_runs", good_file_runs},
    {"bad_headers", bad_headers},
    {"bad_segments", bad_segments},
    {"any_byte_changed", any_byte_changed},
};

} // namespace

constinit const Suite elf_suite{"elf", tests};

} // namespace selftest
