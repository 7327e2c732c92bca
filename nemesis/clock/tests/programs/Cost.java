/** Prints ns a call: "currentTimeMillis nanoTime Instant.now". */
public class Cost {
    static long sink;

    public static void main(String[] arguments) {
        for (int round = 0; round < 3; round++) {
            long begin = System.nanoTime();
            for (int i = 0; i < 3_000_000; i++) sink += System.currentTimeMillis();
            long wall = System.nanoTime();
            for (int i = 0; i < 3_000_000; i++) sink += System.nanoTime();
            long monotonic = System.nanoTime();
            for (int i = 0; i < 3_000_000; i++) sink += java.time.Instant.now().getNano();
            long instant = System.nanoTime();
            if (round == 2) {
                System.out.printf("%.1f %.1f %.1f%n", (wall - begin) / 3e6, (monotonic - wall) / 3e6, (instant - monotonic) / 3e6);
            }
        }
    }
}
