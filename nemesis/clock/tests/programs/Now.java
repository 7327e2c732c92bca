/** Prints "monotonic realtime" in ns. */
public class Now {
    public static void main(String[] arguments) {
        long monotonic = System.nanoTime();
        java.time.Instant wall = java.time.Instant.now();
        System.out.println(monotonic + " " + (wall.getEpochSecond() * 1_000_000_000L + wall.getNano()));
    }
}
